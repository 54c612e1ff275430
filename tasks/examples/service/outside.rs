//! The systems outside, as the environment names them.

use docket::Result;
use docket_tasks::{Atproto, AtprotoOptions, OAuthClient, Pds, PdsNames, Reach, Services};

use super::data::Data;

/// The services of a worker's tasks, and of the routes that serve their results.
///
/// See [`Services::from_env`] and [`Pds::from_env`] for the variables. `ATPROTO_REACH=loopback` is
/// for trials with a PDS on this machine, which is logged in to with app passwords.
pub(crate) fn services(data: &Data) -> Result<Services> {
    Ok(Services::from_env(data.catalogue())?.with_pds(pds(data)?))
}

fn pds(data: &Data) -> Result<Pds> {
    if std::env::var("ATPROTO_REACH").as_deref() != Ok("loopback") {
        return Pds::from_env(data.sessions(), data.social());
    }
    let oauth = OAuthClient::public("http://localhost");
    let options = AtprotoOptions { user_agent: "plyr.fm/1.0".to_owned(), reach: Reach::Loopback, oauth };
    Ok(Pds::new(Atproto::new(data.sessions(), options)?, data.social(), PdsNames::default()))
}
