//! The serving certificate for agents and the API server. It can be replaced at any time; open connections keep theirs.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use thiserror::Error;
use tokio::sync::watch;

use super::expiry::expiry;

/// The certificate in use; `None` until the first one is loaded.
#[derive(Debug, Default)]
pub(crate) struct Certificate {
    current: watch::Sender<Option<Arc<CertifiedKey>>>,
}

/// Why a certificate is invalid.
#[derive(Debug, Error)]
pub(crate) enum CertificateError {
    #[error("{part} is not valid PEM: {source}")]
    Pem { part: &'static str, source: rustls::pki_types::pem::Error },
    #[error("the PEM contains no certificate")]
    Empty,
    /// The key cannot sign, or belongs to another certificate.
    #[error("the key cannot be used with the certificate: {0}")]
    Key(#[source] rustls::Error),
}

impl Certificate {
    /// Replaces the certificate from the next handshake on.
    pub(crate) fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let pem = |part| move |source| CertificateError::Pem { part, source };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(pem("the certificate"))?;
        if chain.is_empty() {
            return Err(CertificateError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(pem("the key"))?;
        let key = any_supported_type(&key).map_err(CertificateError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(CertificateError::Key)?;
        self.current.send_replace(Some(Arc::new(certified)));
        Ok(())
    }

    /// Whether a certificate has been loaded.
    pub(crate) fn is_there(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// When the certificate in use expires, in seconds since 1970.
    pub(crate) fn expiry(&self) -> Option<i64> {
        expiry(self.current.borrow().as_ref()?.cert.first()?)
    }

    /// Returns when a certificate has been loaded. Before that, every handshake would fail.
    pub(crate) async fn wait(&self) {
        // The sender belongs to `self`, so the channel is open.
        let _ = self.current.subscribe().wait_for(Option::is_some).await;
    }

    /// TLS 1.3 with one ALPN protocol, and the certificate in use at each handshake.
    pub(crate) fn server_config(self: &Arc<Self>, protocol: &[u8]) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
        let mut config =
            builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![protocol.to_vec()];
        // A ticket is valid only while this process runs, and clients reconnect because it has ended.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.borrow().clone()
    }
}

/// The CA bundle in PEM that verifies the serving certificate; `None` if it is unknown.
#[derive(Clone, Default)]
pub(crate) struct TrustState(Arc<watch::Sender<Option<String>>>);

impl TrustState {
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }

    pub(super) fn publish(&self, bundle: &str) {
        self.0.send_if_modified(|current| {
            let changed = current.as_deref() != Some(bundle);
            if changed {
                *current = Some(bundle.to_owned());
            }
            changed
        });
    }
}
