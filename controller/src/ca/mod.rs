//! The controller's serving certificate, from its own authority or from a directory, and the review of agents' tokens.

mod authority;
mod cert_watcher;
mod certificate;
mod rotator;
mod token_reviewer;

use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use cert_watcher::watch_directory;
pub(crate) use certificate::Certificate;
pub(crate) use rotator::rotate;
pub(crate) use token_reviewer::{ReviewResult, TokenReviewer};

/// The CA bundle in PEM that verifies the serving certificate; `None` if it is unknown.
#[derive(Clone, Default)]
pub(crate) struct TrustState(Arc<watch::Sender<Option<String>>>);

impl TrustState {
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }

    fn publish(&self, bundle: &str) {
        self.0.send_if_modified(|current| {
            let changed = current.as_deref() != Some(bundle);
            if changed {
                *current = Some(bundle.to_owned());
            }
            changed
        });
    }
}
