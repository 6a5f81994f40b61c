//! A certificate that somebody else makes, as cert-manager mounts it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::{Certificate, TrustState};

/// Between two looks: a certificate is renewed days before it ends.
const LOOK: Duration = Duration::from_secs(10);

/// Uses what stands in the directory, and what will; ends never.
pub(crate) async fn follow(directory: PathBuf, certificate: Arc<Certificate>, trusted: TrustState) {
    let mut used = None;
    loop {
        // Whoever makes certificates may leave their authority's beside them.
        if let Ok(bundle) = tokio::fs::read_to_string(directory.join("ca.crt")).await {
            trusted.publish(&bundle);
        }
        match read(&directory).await {
            Ok(found) if used.as_ref() != Some(&found) => {
                match certificate.replace(&found.0, &found.1) {
                    Ok(()) => info!(directory = %directory.display(), "the certificate is in use"),
                    Err(error) => {
                        warn!(directory = %directory.display(), %error, "the certificate is not taken; the former one stays");
                    }
                }
                used = Some(found);
            }
            Ok(_) => {}
            Err(error) => {
                warn!(directory = %directory.display(), %error, "tls.crt and tls.key cannot be read");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn read(directory: &Path) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    Ok((tokio::fs::read(directory.join("tls.crt")).await?, tokio::fs::read(directory.join("tls.key")).await?))
}
