//! Who the controller is to agents, and who they are to it.

mod authority;
mod cert_watcher;
mod certificate;
mod rotator;
mod token_reviewer;

use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use certificate::Certificate;
pub(crate) use token_reviewer::{ReviewResult, TokenReviewer};

pub(crate) use cert_watcher::follow as follow_directory;
pub(crate) use rotator::keep;

/// Whose certificates ours can be checked with, in PEM; nothing where that is not for us to say.
#[derive(Clone, Default)]
pub(crate) struct TrustState(Arc<watch::Sender<Option<String>>>);

impl TrustState {
    /// Follows it.
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
