//! The two kinds on a real API server.
#![allow(missing_docs, clippy::unwrap_used)]

mod server;
