use axum::Router;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;

use super::*;

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn local() -> Http {
    Http::new("plyr.fm/1.0", Reach::Loopback).unwrap()
}

/// A name is judged by the address it leads to: `localhost` passes every check of its spelling.
#[tokio::test]
async fn a_name_that_leads_inside_is_refused_for_good() {
    let public = Http::new("plyr.fm/1.0", Reach::Public).unwrap();
    let error = public.get("read", &Url::parse("https://localhost:1").unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Refused, false));
    assert!(error.to_string().contains("no public address"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_checked_like_the_first_address() {
    for target in ["http://10.0.0.1/", "http://pds.example.com/", "https://169.254.169.254/latest/meta-data"] {
        let url = serve(Router::new().route("/", get(move || async move { Redirect::temporary(target) }))).await;
        let error = local().get("read", &url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{target}: {error}");
    }
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let url = serve(Router::new().route("/", get(|| async { Redirect::temporary("/") }))).await;
    let error = local().get("read", &url).await.unwrap_err();
    assert!(error.to_string().contains("more than 3 redirects"), "{error}");
}

#[tokio::test]
async fn a_call_with_a_token_follows_no_redirect() {
    let url = serve(Router::new().route("/", get(|| async { Redirect::temporary("/elsewhere") }))).await;
    let http = local();
    let answer = http.send("read", http.request(Method::GET, &url).unwrap()).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
}

#[tokio::test]
async fn we_say_who_we_are_and_a_closed_port_can_be_tried_again() {
    let agent = get(|headers: HeaderMap| async move { headers["user-agent"].to_str().unwrap().to_owned() });
    let url = serve(Router::new().route("/", agent)).await;
    assert_eq!(local().get("read", &url).await.unwrap().body, "plyr.fm/1.0");
    let error = local().get("read", &Url::parse("http://127.0.0.1:1/?token=secret").unwrap()).await.unwrap_err();
    assert!(error.is_retryable() && !error.chain().contains("secret"), "{error:?}");
}
