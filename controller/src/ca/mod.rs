//! The controller's serving certificate, from its own authority or from a directory, and the review of agents' tokens.

mod authority;
mod cert_watcher;
mod certificate;
mod expiry;
mod review_limits;
mod rotator;
mod token_claims;
mod token_reviewer;

pub(crate) use cert_watcher::watch_directory;
pub(crate) use certificate::{Certificate, TrustState};
pub(crate) use rotator::rotate;
pub(crate) use token_reviewer::{ReviewResult, TokenReviewer};
