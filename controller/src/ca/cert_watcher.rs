//! Watches a directory with a certificate, as cert-manager mounts it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::certificate::{Certificate, TrustState};

/// A certificate is renewed days before it expires, so polling is enough.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Loads the certificate in the directory whenever it changes; never returns.
pub(crate) async fn watch_directory(directory: PathBuf, certificate: Arc<Certificate>, trusted: TrustState) {
    let mut used = None;
    loop {
        // The issuer's certificate may be in the directory too.
        if let Ok(bundle) = tokio::fs::read_to_string(directory.join("ca.crt")).await {
            trusted.publish(&bundle);
        }
        match read(&directory).await {
            Ok(found) if used.as_ref() != Some(&found) => {
                match certificate.replace(&found.0, &found.1) {
                    Ok(()) => info!(directory = %directory.display(), "certificate loaded"),
                    Err(error) => {
                        warn!(directory = %directory.display(), %error, "invalid certificate; the previous one stays in use");
                    }
                }
                used = Some(found);
            }
            Ok(_) => {}
            Err(error) => {
                warn!(directory = %directory.display(), %error, "failed to read tls.crt or tls.key");
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn read(directory: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    Ok((tokio::fs::read(directory.join("tls.crt")).await?, tokio::fs::read(directory.join("tls.key")).await?))
}
