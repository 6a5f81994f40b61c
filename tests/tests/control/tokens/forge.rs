//! Tokens as the API server makes them, and as it would never make them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use entropool_tests::cluster::ApiServer;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

/// Header and claims of a token that is good.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signature: String,
}

impl Parts {
    pub(crate) fn of(token: &str) -> Self {
        let parts: Vec<_> = token.split('.').collect();
        let json = |part: &str| serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap();
        Self { header: json(parts[0]), claims: json(parts[1]), signature: parts[2].to_owned() }
    }

    /// What is signed.
    fn text(&self) -> String {
        let part = |json: &Value| BASE64.encode(json.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    /// With the signature that it came with.
    pub(crate) fn as_it_is(&self) -> String {
        format!("{}.{}", self.text(), self.signature)
    }

    /// With no signature.
    pub(crate) fn unsigned(&self) -> String {
        format!("{}.", self.text())
    }
}

/// A private key that signs tokens.
pub(crate) struct Forge {
    key: PrivateKeyDer<'static>,
}

impl Forge {
    /// The API server's own.
    pub(crate) fn of(api: &ApiServer) -> Self {
        Self { key: PrivateKeyDer::from_pem_slice(&api.accounts_key().unwrap()).unwrap() }
    }

    /// One that no API server knows.
    pub(crate) fn strange() -> Self {
        let made = std::process::Command::new("openssl").args(["genrsa", "2048"]).output().unwrap();
        Self { key: PrivateKeyDer::from_pem_slice(&made.stdout).unwrap() }
    }

    pub(crate) fn sign(&self, parts: &Parts) -> String {
        let text = parts.text();
        let key = any_supported_type(&self.key).unwrap();
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).unwrap();
        format!("{text}.{}", BASE64.encode(signer.sign(text.as_bytes()).unwrap()))
    }

    /// A token with some claims changed, signed as if the API server had made it.
    pub(crate) fn with_claims(&self, good: &Parts, change: impl FnOnce(&mut Value)) -> String {
        let mut parts = good.clone();
        change(&mut parts.claims);
        self.sign(&parts)
    }
}
