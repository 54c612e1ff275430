use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderMap;

use super::*;

/// The private key of RFC 7515, appendix A.3; its public half is there too.
const JWK: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

fn key() -> SigningKey {
    SigningKey::from_jwk(&Secret::new(JWK)).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn part(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
}

fn json_part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&part(token, index)).unwrap()
}

/// The shapes of RFC 9449, sections 4.2 and 7.1: its example token and the `ath` it gives for it.
#[test]
fn a_proof_says_what_the_rfc_asks_for() {
    let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let url = url("https://resource.example.org/protectedresource?who=ada#top");
    let proof = Proof { method: &Method::GET, url: &url, nonce: Some("eyJ7S_zG"), access_token: Some(&token) };
    let signed = proof.sign_at(&key(), 1_562_262_618, "e1j3V_bKic8-LAEB").unwrap();
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    assert_eq!(json_part(&signed, 0), json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}));
    let claims = json!({"jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": "https://resource.example.org/protectedresource",
        "iat": 1_562_262_618, "exp": 1_562_262_678, "nonce": "eyJ7S_zG",
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"});
    assert_eq!(json_part(&signed, 1), claims);
}

#[test]
fn its_signature_is_of_the_key_it_shows() {
    let url = url("https://server.example.com/token");
    let signed = Proof { method: &Method::POST, url: &url, nonce: None, access_token: None }.sign(&key()).unwrap();
    let jwk = &json_part(&signed, 0)["jwk"];
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [&[4], &*coordinate("x"), &*coordinate("y")].concat();
    let (message, _) = signed.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    public.verify(message.as_bytes(), &part(&signed, 2)).unwrap();
    let claims = json_part(&signed, 1);
    assert!(claims.get("ath").is_none() && claims.get("nonce").is_none(), "{claims}");
}

#[test]
fn no_two_proofs_have_the_same_id() {
    let url = url("https://server.example.com/token");
    let proof = Proof { method: &Method::POST, url: &url, nonce: None, access_token: None };
    let id = || json_part(&proof.sign(&key()).unwrap(), 1)["jti"].clone();
    assert_ne!(id(), id());
}

#[test]
fn a_key_survives_being_kept_and_never_shows() {
    let new = SigningKey::generate().unwrap();
    assert_eq!(SigningKey::from_pem(&new.to_pem().unwrap()).unwrap().public_jwk(), new.public_jwk());
    assert_eq!(format!("{new:?}"), "SigningKey(***)");
    for pem in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----"] {
        assert!(SigningKey::from_pem(&Secret::new(pem)).is_err(), "{pem:?}");
    }
}

#[test]
fn a_nonce_is_remembered_for_its_origin_and_replaced_by_the_next() {
    let (nonces, mut headers) = (Nonces::default(), HeaderMap::new());
    for nonce in ["first", "second"] {
        headers.insert("dpop-nonce", nonce.parse().unwrap());
        nonces.learn(&url("https://a.example/xrpc/x"), &headers);
    }
    assert_eq!(nonces.latest(&url("https://a.example/xrpc/y")).as_deref(), Some("second"));
    nonces.learn(&url("https://a.example/"), &HeaderMap::new());
    assert_eq!(nonces.latest(&url("https://a.example/")).as_deref(), Some("second"));
    for other in ["https://b.example/", "http://a.example/", "https://a.example:8443/"] {
        assert_eq!(nonces.latest(&url(other)), None, "{other}");
    }
}
