//! The certificate that agents and the API server see: it may change at any time, and no connection notices.

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

/// The one in use; none until there is a first.
#[derive(Debug, Default)]
pub(crate) struct Certificate {
    current: watch::Sender<Option<Arc<CertifiedKey>>>,
}

/// Why a certificate is not taken; the one in use stays.
#[derive(Debug, Error)]
pub(crate) enum CertificateError {
    /// No PEM.
    #[error("{what} is no PEM: {source}")]
    Pem {
        /// The part.
        what: &'static str,
        /// What the parser says.
        source: rustls::pki_types::pem::Error,
    },
    /// There is none.
    #[error("there is no certificate in it")]
    Empty,
    /// A key of a kind that cannot sign, or of another certificate.
    #[error("the key cannot be used: {0}")]
    Key(#[source] rustls::Error),
}

impl Certificate {
    /// Uses another from the next handshake on.
    pub(crate) fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let pem = |what| move |source| CertificateError::Pem { what, source };
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

    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        self.current.borrow().is_some()
    }

    /// Returns when there is one. Before that a handshake could only fail.
    pub(crate) async fn wait(&self) {
        // The sender is ours, so it is not gone.
        let _ = self.current.subscribe().wait_for(Option::is_some).await;
    }

    /// TLS 1.3 with one protocol in it, by whatever certificate is in use at each handshake.
    pub(crate) fn server_config(self: &Arc<Self>, protocol: &[u8]) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
        let mut config =
            builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![protocol.to_vec()];
        // A ticket is good for this replica as it runs: whoever comes back does so because that has ended.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.borrow().clone()
    }
}
