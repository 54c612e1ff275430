use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::*;
use crate::clients::dpop::Nonces;
use crate::clients::http::{Http, Reach};

/// The private key of RFC 7515, appendix A.3.
const JWK: &str = r#"{"kty":"EC","crv":"P-256","kid":"k1",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

/// The pairs of a form, and the claims of the proof beside it.
type Asked = (HashMap<String, String>, Value);

/// An authorization server on loopback that answers as told. The real one is asked in `tests/pds`.
#[derive(Clone)]
struct Server {
    url: Arc<Mutex<String>>,
    answer: Arc<Value>,
    status: StatusCode,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    async fn serve(status: StatusCode, answer: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Arc::new(Mutex::new(format!("http://{}", listener.local_addr().unwrap())));
        let server = Self { url, status, answer: Arc::new(answer), asked: Arc::default() };
        let router = Router::new().route("/.well-known/oauth-authorization-server", get(metadata));
        let router = router.route("/token", post(token)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    async fn refresh(&self, client: &OAuthClient) -> Result<Credentials, PdsError> {
        let http = Http::new("plyr.fm/1.0", Reach::Loopback).unwrap();
        let xrpc = Xrpc { http, nonces: Nonces::default() };
        client.refresh(&xrpc, &tokens(&self.url()), "did:plc:ada").await
    }
}

async fn metadata(State(server): State<Server>) -> axum::Json<Value> {
    let url = server.url();
    axum::Json(json!({ "issuer": url, "token_endpoint": format!("{url}/token") }))
}

async fn token(State(server): State<Server>, headers: HeaderMap, body: String) -> Response {
    let pairs = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let proof = claims(headers["dpop"].to_str().unwrap());
    let is_fresh = proof["nonce"] == "n2";
    server.asked.lock().unwrap().push((pairs, proof));
    let nonce = [("dpop-nonce", "n2")];
    if !is_fresh {
        return (StatusCode::BAD_REQUEST, nonce, axum::Json(json!({"error": "use_dpop_nonce"}))).into_response();
    }
    (server.status, nonce, axum::Json((*server.answer).clone())).into_response()
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn tokens(issuer: &str) -> OAuthTokens {
    OAuthTokens {
        issuer: issuer.to_owned(),
        scope: "atproto transition:generic".to_owned(),
        access: Secret::new("old-access"),
        refresh: Secret::new("old-refresh"),
        key_pem: SigningKey::generate().unwrap().to_pem().unwrap(),
    }
}

fn fresh() -> Value {
    json!({"access_token": "a2", "refresh_token": "r2", "token_type": "DPoP", "scope": "atproto", "sub": "did:plc:ada"})
}

#[tokio::test]
async fn a_refresh_uses_the_token_up_and_repeats_itself_for_a_nonce() {
    let server = Server::serve(StatusCode::OK, fresh()).await;
    let Credentials::OAuth(new) = server.refresh(&OAuthClient::public("https://plyr.fm/client.json")).await.unwrap()
    else {
        panic!("OAuth stays OAuth");
    };
    assert_eq!((new.access.reveal(), new.refresh.reveal(), &*new.scope), ("a2", "r2", "atproto"));
    let asked = server.asked.lock().unwrap();
    let [first, second] = &**asked else { panic!("asked {} times", asked.len()) };
    assert_eq!(first.0, second.0);
    assert_eq!((&*second.0["grant_type"], &*second.0["refresh_token"]), ("refresh_token", "old-refresh"));
    assert_eq!(second.0["client_id"], "https://plyr.fm/client.json");
    assert!(!second.0.contains_key("client_assertion"));
    assert_eq!((&second.1["nonce"], &second.1["htm"], second.1.get("ath")), (&json!("n2"), &json!("POST"), None));
    assert_ne!(first.1["jti"], second.1["jti"]);
}

#[tokio::test]
async fn a_confidential_client_proves_who_it_is() {
    let server = Server::serve(StatusCode::OK, fresh()).await;
    let client = OAuthClient::confidential("https://plyr.fm/client.json", &Secret::new(JWK)).unwrap();
    server.refresh(&client).await.unwrap();
    let asked = server.asked.lock().unwrap();
    let assertion = &asked[1].0["client_assertion"];
    let header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}));
    let claims = claims(assertion);
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("https://plyr.fm/client.json"), &claims["iss"]));
    assert_eq!(
        (&claims["aud"], claims["exp"].as_i64()),
        (&json!(server.url()), claims["iat"].as_i64().map(|t| t + 60))
    );
}

#[tokio::test]
async fn refusals_are_sorted_by_whose_fault_it_is() {
    type IsSo = fn(&PdsError) -> bool;
    let table: [(u16, Value, IsSo); 7] = [
        (400, json!({"error": "invalid_grant"}), |e| matches!(e, PdsError::Expired(_))),
        (401, json!({"error": "invalid_client"}), |e| matches!(e, PdsError::Permanent(_))),
        (400, json!({"error": "unsupported_grant_type"}), |e| matches!(e, PdsError::Permanent(_))),
        (503, json!({}), |e| matches!(e, PdsError::Retry(..))),
        (200, json!({"access_token": "a2"}), |e| matches!(e, PdsError::Retry(..))),
        (200, with("sub", "did:plc:eve"), |e| matches!(e, PdsError::Permanent(_))),
        (200, with("token_type", "Bearer"), |e| matches!(e, PdsError::Permanent(_))),
    ];
    for (status, answer, is_so) in table {
        let server = Server::serve(StatusCode::from_u16(status).unwrap(), answer.clone()).await;
        let error = server.refresh(&OAuthClient::public("c")).await.unwrap_err();
        assert!(is_so(&error), "{status} {answer}: {error:?}");
        assert!(!format!("{error:?}").contains("old-refresh"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_it_is_another_gets_no_token() {
    let server = Server::serve(StatusCode::OK, fresh()).await;
    *server.url.lock().unwrap() = server.url().replace("127.0.0.1", "localhost");
    let xrpc = Xrpc { http: Http::new("plyr.fm/1.0", Reach::Loopback).unwrap(), nonces: Nonces::default() };
    let issuer = server.url().replace("localhost", "127.0.0.1");
    let error = OAuthClient::public("c").refresh(&xrpc, &tokens(&issuer), "did:plc:ada").await.unwrap_err();
    assert!(matches!(&error, PdsError::Permanent(e) if e.to_string().contains("another server")), "{error:?}");
    assert!(server.asked.lock().unwrap().is_empty());
}

fn with(name: &str, value: &str) -> Value {
    let mut answer = fresh();
    answer[name] = Value::String(value.to_owned());
    answer
}
