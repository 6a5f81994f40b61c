//! TLS 1.3 towards the controller, which proves itself to those who hold its CA's certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};

/// Why a CA bundle is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is no PEM file, or none that can be read.
    #[error("{0}")]
    Pem(#[source] pem::Error),
    /// What is in it is no certificate.
    #[error("what is in it is no certificate: {0}")]
    Certificate(#[source] rustls::Error),
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    Empty,
    /// The TLS library was built without what is asked of it.
    #[error("TLS 1.3 is not to be had: {0}")]
    Provider(#[source] rustls::Error),
}

/// What believes those, and only those, whom a certificate of the bundle has signed.
pub(super) fn config(bundle: &Path) -> Result<ClientConfig, BundleError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle).map_err(BundleError::Pem)? {
        roots.add(certificate.map_err(BundleError::Pem)?).map_err(BundleError::Certificate)?;
    }
    if roots.is_empty() {
        return Err(BundleError::Empty);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let mut config =
        config.map_err(BundleError::Provider)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
