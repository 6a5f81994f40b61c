//! The two kinds on a real API server.
#![allow(missing_docs, clippy::unwrap_used)]

mod harness;
mod kinds;
mod plugin;
mod verdicts;

use std::sync::LazyLock;

use entropool_tests::cluster::ApiServer;

/// The server of all these tests, which has the two kinds. Each test has names of its own.
fn server() -> &'static ApiServer {
    static WITH_KINDS: LazyLock<&ApiServer> = LazyLock::new(|| {
        let server = ApiServer::shared().unwrap();
        server.install_kinds().unwrap();
        server
    });
    &WITH_KINDS
}
