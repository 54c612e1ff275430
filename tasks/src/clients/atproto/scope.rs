//! Whether a session may write to a collection.

use url::form_urlencoded;

use crate::{Credentials, Session};

/// The session may create, replace and delete records of `collection`, as far as its scope tells.
pub(super) fn may_write(session: &Session, collection: &str) -> bool {
    match &session.credentials {
        Credentials::AppPassword { .. } => true,
        Credentials::OAuth(tokens) => tokens.scope.split_ascii_whitespace().any(|scope| allows(scope, collection)),
    }
}

fn allows(scope: &str, collection: &str) -> bool {
    let (resource, query) = scope.split_once('?').unwrap_or((scope, ""));
    let (kind, named) = resource.split_once(':').unwrap_or((resource, ""));
    match (kind, named) {
        // A permission set is defined elsewhere: only the PDS knows its contents.
        ("transition", "generic") | ("include", _) => return true,
        ("repo", _) => {}
        _ => return false,
    }
    let pairs = || form_urlencoded::parse(query.as_bytes());
    let is_named = |name: &str| name == "*" || name == collection;
    let has_actions = pairs().any(|(key, _)| key == "action");
    let every_action = ["create", "update", "delete"];
    let may = |action: &str| pairs().any(|(key, value)| key == "action" && value == action);
    (is_named(named) || pairs().any(|(key, value)| key == "collection" && is_named(&value)))
        && (!has_actions || every_action.into_iter().all(may))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_says_which_collections_may_be_written() {
        let table = [
            ("transition:generic", true),
            ("repo:*", true),
            ("repo:fm.plyr.like", true),
            ("repo?collection=fm.plyr.comment&collection=fm.plyr.like", true),
            ("repo:fm.plyr.like?action=create&action=update&action=delete", true),
            ("include:fm.plyr.authFull", true),
            ("repo:fm.plyr.like?action=create", false),
            ("repo:fm.plyr.comment", false),
            ("repo:fm.plyr.likes", false),
            ("atproto", false),
            ("transition:chat.bsky", false),
            ("rpc:fm.plyr.like?aud=*", false),
        ];
        for (scope, may) in table {
            assert_eq!(allows(scope, "fm.plyr.like"), may, "{scope}");
        }
    }
}
