//! A P-256 key, and its signatures.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use docket_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::Secret;

const READ: &str = "read a signing key";
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A private key for ES256. `Debug` shows nothing of it. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<EcdsaKeyPair>);

impl SigningKey {
    /// A new one.
    pub fn generate() -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Ok(Self(Arc::new(pair.map_err(|e| Error::new(ErrorKind::Internal, "make a signing key", e.to_string()))?)))
    }

    /// The key in a PEM file of PKCS#8, as sessions keep it.
    pub fn from_pem(pem: &Secret) -> Result<Self> {
        let wrong = |why: &str| Error::invalid(READ, why);
        let body = pem.reveal().trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body: String = body.ok_or_else(|| wrong("not a PKCS#8 PEM"))?.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| wrong("its PEM is not base64"))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        Ok(Self(Arc::new(pair.map_err(|_| wrong("not a P-256 key"))?)))
    }

    /// The key in a private JWK.
    pub fn from_jwk(jwk: &Secret) -> Result<Self> {
        let wrong = |why: &str| Error::invalid(READ, why);
        let jwk: Value = serde_json::from_str(jwk.reveal()).map_err(|_| wrong("not a JWK"))?;
        if (jwk["kty"].as_str(), jwk["crv"].as_str()) != (Some("EC"), Some("P-256")) {
            return Err(wrong("its JWK is not of kty EC and crv P-256"));
        }
        let part = |name: &str| jwk[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let (Some(d), Some(x), Some(y)) = (part("d"), part("x"), part("y")) else {
            return Err(wrong("its JWK lacks d, x or y"));
        };
        let public = [&[4], &*x, &*y].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &d, &public);
        Ok(Self(Arc::new(pair.map_err(|_| wrong("the parts of its JWK do not belong together"))?)))
    }

    /// It as PKCS#8 PEM, to be kept with a session.
    pub fn to_pem(&self) -> Result<Secret> {
        let der = self.0.to_pkcs8v1();
        let der = der.map_err(|_| Error::new(ErrorKind::Internal, "write a signing key", "it cannot be encoded"))?;
        Ok(Secret::new(format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der.as_ref()))))
    }

    /// The public half.
    pub(crate) fn public_jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        // Uncompressed: a byte that marks the form, then both coordinates.
        let (x, y) = point[1..].split_at(point.len() / 2);
        json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
    }

    /// A JSON web token.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Result<String> {
        let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes());
        let signature =
            signature.map_err(|_| Error::new(ErrorKind::Internal, "sign a token", "the key cannot sign"))?;
        Ok(format!("{signed}.{}", base64url(signature)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> impl AsRef<[u8]> {
    digest::digest(&digest::SHA256, bytes)
}
