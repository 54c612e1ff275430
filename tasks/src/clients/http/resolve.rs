//! Resolves names to addresses, and removes the addresses that may not be reached.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Reach;

/// The system's resolver, filtered. Its addresses are the ones connected to: no second lookup can
/// give another answer.
#[derive(Debug)]
pub(super) struct PublicOnly(pub(super) Reach);

/// A name that leads only where nobody may go.
#[derive(Debug)]
struct NotPublic(String);

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} has no public address", self.0)
    }
}

impl StdError for NotPublic {}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let name = name.as_str();
            let found = tokio::net::lookup_host((name, 0)).await?;
            let (allowed, refused): (Vec<SocketAddr>, Vec<_>) = found.partition(|address| reach.allows(address.ip()));
            if allowed.is_empty() && !refused.is_empty() {
                return Err(NotPublic(name.to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Why a request was not sent, if it was the resolver that stopped it.
pub(super) fn refusal(error: &reqwest::Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(refused) = source.downcast_ref::<NotPublic>() {
            return Some(refused.to_string());
        }
        cause = source.source();
    }
    None
}
