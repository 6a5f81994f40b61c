//! The thread that answers the kubelet.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use proto::csi::identity_server::IdentityServer;
use proto::csi::node_server::NodeServer;
use proto::registration::registration_server::RegistrationServer;
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::authority::mended;
use super::registration::RegistrationService;
use super::service::{IdentityService, NodeService};
use super::volumes::Volumes;
use crate::api::accept;
use crate::handover::Sockets;
use crate::health::driver_registration::RegistrationResult;
use crate::unix_socket::{ApiSocket, BoundSocket, OWNER_ONLY, SocketError};

/// Where the driver is served, and as what.
#[derive(Clone, Debug)]
pub struct CsiOptions {
    /// The node's name.
    pub node: String,
    /// The kubelet's directory: `/var/lib/kubelet`, unless the node's distribution has another.
    pub kubelet_dir: PathBuf,
}

impl CsiOptions {
    /// Where the kubelet's pods have their directories.
    pub fn pods(&self) -> PathBuf {
        self.kubelet_dir.join("pods")
    }

    fn driver(&self) -> PathBuf {
        self.kubelet_dir.join("plugins").join(api::names::CSI_DRIVER).join("csi.sock")
    }

    fn registration(&self) -> PathBuf {
        self.kubelet_dir.join("plugins_registry").join(format!("{}-reg.sock", api::names::CSI_DRIVER))
    }
}

/// Why the kubelet is not answered.
#[derive(Debug, thiserror::Error)]
pub enum CsiError {
    /// The directory of a socket could not be made.
    #[error("directory {path} cannot be made: {source}", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A socket could not be made.
    #[error("--kubelet-dir: {0}")]
    Socket(SocketError),
    /// The thread or its runtime could not be set up.
    #[error("the thread that answers the kubelet cannot be set up: {0}")]
    Setup(#[source] io::Error),
}

/// The driver, served to the kubelet until it is stopped or dropped.
#[derive(Debug)]
pub struct CsiServer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Goes first, so that the kubelet does not look for a driver that is no more.
    registration: Option<ApiSocket>,
    driver: ApiSocket,
}

impl CsiServer {
    /// Serves `volumes`. The driver's socket is there before the one by which the kubelet finds it.
    pub fn serve(options: &CsiOptions, volumes: Arc<Volumes>) -> Result<Self, CsiError> {
        let driver = at(&options.driver(), |path| ApiSocket::bind(path, OWNER_ONLY))?;
        let registration = at(&options.registration(), |path| ApiSocket::bind(path, OWNER_ONLY))?;
        Self::answer(options, volumes, (driver, registration), RegistrationResult::Pending)
    }

    /// Goes on where another process served. What it has left no socket for is replaced: the kubelet, which has seen
    /// that path, looks there again.
    pub fn resume(
        options: &CsiOptions,
        volumes: Arc<Volumes>,
        left: (Option<BoundSocket>, Option<BoundSocket>),
    ) -> Result<Self, CsiError> {
        let known = left.1.as_ref().map(|(_, file)| *file);
        let driver = at(&options.driver(), |path| ApiSocket::resume(path, left.0, OWNER_ONLY))?;
        let registration = at(&options.registration(), |path| ApiSocket::resume(path, left.1, OWNER_ONLY))?;
        // Of a socket that it has seen, a kubelet does not speak again.
        let word = if registration.file().is(known) {
            RegistrationResult::Registered
        } else {
            RegistrationResult::Pending
        };
        Self::answer(options, volumes, (driver, registration), word)
    }

    fn answer(
        options: &CsiOptions,
        volumes: Arc<Volumes>,
        (driver, registration): (ApiSocket, ApiSocket),
        word: RegistrationResult,
    ) -> Result<Self, CsiError> {
        volumes.kubelet().set_served(vec![driver.file().clone(), registration.file().clone()], word);
        let listeners =
            (driver.listener().map_err(CsiError::Setup)?, registration.listener().map_err(CsiError::Setup)?);
        let endpoint = options.driver().to_string_lossy().into_owned();
        let kubelet = RegistrationService { endpoint, volumes: Arc::clone(&volumes) };
        let node = NodeService { volumes, node: options.node.clone() };
        let (stop, stopped) = oneshot::channel();
        // A runtime of its own: what the kubelet asks waits for nobody else.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(CsiError::Setup)?;
        let services = {
            let _in = runtime.enter();
            let tokio = |listener| UnixListener::from_std(listener).map_err(CsiError::Setup);
            (tokio(listeners.0)?, tokio(listeners.1)?)
        };
        let thread = thread::Builder::new()
            .name("csi".to_owned())
            .spawn(move || {
                runtime.block_on(answer_until(services, node, kubelet, stopped));
                runtime.shutdown_background();
            })
            .map_err(CsiError::Setup)?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { stop, thread, registration: Some(registration), driver })
    }

    /// Its sockets once more, for a successor.
    pub fn share(&self, sockets: &mut Sockets) -> io::Result<()> {
        sockets.registration = self.registration.as_ref().map(ApiSocket::share).transpose()?;
        sockets.driver = Some(self.driver.share()?);
        Ok(())
    }

    /// Hangs up on the kubelet; the sockets are another process's now.
    pub fn leave(mut self) {
        self.registration.iter_mut().for_each(ApiSocket::disown);
        self.driver.disown();
    }
}

impl Drop for CsiServer {
    fn drop(&mut self) {
        self.registration = None;
        // It may have ended by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that answers the kubelet had panicked");
        }
    }
}

fn at(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<ApiSocket, SocketError>,
) -> Result<ApiSocket, CsiError> {
    let directory = path.parent().expect("a socket is in a directory");
    fs::create_dir_all(directory)
        .map_err(|source| CsiError::Directory { path: directory.to_owned(), source })?;
    make(path).map_err(CsiError::Socket)
}

async fn answer_until(
    (driver, registration): (UnixListener, UnixListener),
    node: NodeService,
    kubelet: RegistrationService,
    stopped: oneshot::Receiver<()>,
) {
    let (callers, called) = mpsc::channel(1);
    let (registrars, registered) = mpsc::channel(1);
    let volumes = tonic::transport::Server::builder()
        .add_service(IdentityServer::new(IdentityService))
        .add_service(NodeServer::new(node))
        .serve_with_incoming(ReceiverStream::new(called).map(Ok::<_, Infallible>));
    let registration_server = tonic::transport::Server::builder()
        .add_service(RegistrationServer::new(kubelet))
        .serve_with_incoming(ReceiverStream::new(registered).map(mended).map(Ok::<_, Infallible>));
    tokio::select! {
        _ = stopped => {}
        // None of these ends before the others.
        () = accept(driver, callers) => {}
        () = accept(registration, registrars) => {}
        _ = volumes => {}
        _ = registration_server => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_socket_that_cannot_be_made_is_told_with_the_flag_that_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(100)).join("csi.sock");
        let refused =
            at(&long, |path| ApiSocket::bind(path, OWNER_ONLY)).map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with("--kubelet-dir: socket path "), "{refused}");
        assert!(refused.ends_with("choose a shorter directory"), "{refused}");
    }
}
