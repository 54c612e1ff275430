//! Identities, looked up in a real PLC directory.

use docket_core::ErrorKind;
use docket_tasks::{Identity, IdentityOptions, Reach};

use crate::server::Server;

fn identity(server: &Server) -> Identity {
    let options = IdentityOptions {
        reach: Reach::Loopback,
        plc: server.plc.clone(),
        handle_resolver: server.pds.clone(),
        ..IdentityOptions::default()
    };
    Identity::new(options).unwrap()
}

#[tokio::test]
async fn a_handle_leads_to_its_did_and_that_to_its_pds() {
    let server = Server::shared().await;
    let (ada, identity) = (server.account("ada").await, identity(&server));
    assert_eq!(identity.did_of(&ada.handle).await.unwrap(), ada.did);
    assert_eq!(identity.did_of(&format!("@{}", ada.handle.to_uppercase())).await.unwrap(), ada.did);
    assert_eq!(identity.pds_of(&ada.did).await.unwrap(), server.pds);
    assert_eq!(identity.document(&ada.did).await.unwrap().handle(), Some(&*ada.handle));
}

#[tokio::test]
async fn who_is_unknown_is_told_so_for_good() {
    let identity = identity(&*Server::shared().await);
    let nobody = identity.document("did:plc:nobodynobodynobodynobod").await.unwrap_err();
    assert_eq!((nobody.kind(), nobody.is_retryable()), (ErrorKind::NotFound, false));
    assert!(identity.did_of("not a handle").await.is_err());
}
