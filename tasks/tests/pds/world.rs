//! What the tests share.

use std::sync::Arc;

use docket_tasks::{Atproto, AtprotoOptions, OAuthClient, Reach, Sessions};

use crate::server::SCOPE;

/// A client as another process would have it.
pub(crate) fn atproto(sessions: Arc<dyn Sessions>) -> Atproto {
    let redirect = "http%3A%2F%2F127.0.0.1%2Fcallback";
    let scope = SCOPE.replace(' ', "+").replace(':', "%3A");
    let options = AtprotoOptions {
        user_agent: "plyr.fm/1.0".to_owned(),
        reach: Reach::Loopback,
        oauth: OAuthClient::public(format!("http://localhost?redirect_uri={redirect}&scope={scope}")),
    };
    Atproto::new(sessions, options).unwrap()
}
