//! The driver's two servers, on one thread: its registration with the kubelet, and its services.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use proto::csi::identity_server::IdentityServer;
use proto::csi::node_server::NodeServer;
use proto::registration::registration_server::{Registration, RegistrationServer};
use proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::authority::with_valid_authority;
use super::service::{IdentityService, NodeService};
use super::volumes::Volumes;
use crate::api::accept;
use crate::handover::OwnState;
use crate::health::driver_registration::RegistrationResult;
use crate::unix_socket::{ApiSocket, BoundSocket, OWNER_ONLY, SocketError};

/// The versions of the Container Storage Interface that the driver serves.
const VERSIONS: [&str; 1] = ["1.0.0"];

/// Where the driver is served.
#[derive(Clone, Debug)]
pub struct CsiOptions {
    pub node: String,
    /// `/var/lib/kubelet`, unless the node's distribution has another.
    pub kubelet_dir: PathBuf,
}

impl CsiOptions {
    pub fn pods(&self) -> PathBuf {
        self.kubelet_dir.join("pods")
    }

    /// Where the driver makes its own sockets and directories.
    pub(crate) fn socket_directories(&self) -> [PathBuf; 2] {
        ["plugins", "plugins_registry"].map(|name| self.kubelet_dir.join(name))
    }

    fn driver(&self) -> PathBuf {
        self.kubelet_dir.join("plugins").join(api::names::CSI_DRIVER).join("csi.sock")
    }

    fn registration(&self) -> PathBuf {
        self.kubelet_dir.join("plugins_registry").join(format!("{}-reg.sock", api::names::CSI_DRIVER))
    }
}

/// Why the driver is not served.
#[derive(Debug, thiserror::Error)]
pub enum CsiError {
    #[error("directory {path} cannot be made: {source}", path = path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("--kubelet-dir: {0}")]
    Socket(SocketError),
    #[error("the thread of the CSI driver cannot be set up: {0}")]
    Setup(#[source] io::Error),
}

/// The driver, served to the kubelet until it is stopped or dropped.
#[derive(Debug)]
pub struct CsiServer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Dropped first, so that the kubelet does not look for a driver that has stopped.
    registration: Option<ApiSocket>,
    driver: ApiSocket,
}

impl CsiServer {
    /// Serves `volumes`. The driver's socket exists before the one by which the kubelet finds it.
    pub fn serve(options: &CsiOptions, volumes: Arc<Volumes>) -> Result<Self, CsiError> {
        let driver = in_directory(&options.driver(), |path| ApiSocket::bind(path, OWNER_ONLY))?;
        let registration = in_directory(&options.registration(), |path| ApiSocket::bind(path, OWNER_ONLY))?;
        Self::start(options, volumes, driver, registration, RegistrationResult::Pending)
    }

    /// Serves `volumes` at the sockets of a predecessor: the driver's and the registration's. A socket that it did not
    /// leave is created again, so that the kubelet, which has seen its path, probes it again.
    pub fn resume(
        options: &CsiOptions,
        volumes: Arc<Volumes>,
        (driver, registration): (Option<BoundSocket>, Option<BoundSocket>),
    ) -> Result<Self, CsiError> {
        let known = registration.as_ref().map(|(_, file)| *file);
        let driver = in_directory(&options.driver(), |path| ApiSocket::resume(path, driver, OWNER_ONLY))?;
        let registration =
            in_directory(&options.registration(), |path| ApiSocket::resume(path, registration, OWNER_ONLY))?;
        // A kubelet registers each socket once.
        let result = if registration.file().is(known) {
            RegistrationResult::Registered
        } else {
            RegistrationResult::Pending
        };
        Self::start(options, volumes, driver, registration, result)
    }

    fn start(
        options: &CsiOptions,
        volumes: Arc<Volumes>,
        driver: ApiSocket,
        registration: ApiSocket,
        result: RegistrationResult,
    ) -> Result<Self, CsiError> {
        volumes.registration().set_served(vec![driver.file().clone(), registration.file().clone()], result);
        let endpoint = options.driver().to_string_lossy().into_owned();
        let registration_service = RegistrationService { endpoint, volumes: Arc::clone(&volumes) };
        let node_service = NodeService { volumes, node: options.node.clone() };
        // A separate runtime, so that the kubelet's calls do not wait for other work.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(CsiError::Setup)?;
        let listener = |socket: &ApiSocket| {
            let _context = runtime.enter();
            socket.listener().and_then(UnixListener::from_std).map_err(CsiError::Setup)
        };
        let listeners = [listener(&driver)?, listener(&registration)?];
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("csi".to_owned())
            .spawn(move || {
                runtime.block_on(serve_until(stopped, listeners, node_service, registration_service));
                runtime.shutdown_background();
            })
            .map_err(CsiError::Setup)?;
        Ok(Self { stop: Some(stop), thread: Some(thread), registration: Some(registration), driver })
    }

    /// Duplicates the sockets for a successor.
    pub fn share(&self, sockets: &mut OwnState) -> io::Result<()> {
        sockets.registration = self.registration.as_ref().map(ApiSocket::share).transpose()?;
        sockets.driver = Some(self.driver.share()?);
        Ok(())
    }

    /// Closes the kubelet's connections, and leaves the sockets to a successor.
    pub fn leave(mut self) {
        if let Some(registration) = &mut self.registration {
            registration.disown();
        }
        self.driver.disown();
    }
}

impl Drop for CsiServer {
    fn drop(&mut self) {
        self.registration = None;
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            let _ = stop.send(());
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the CSI driver panicked");
        }
    }
}

/// Creates a socket, and its directory if necessary.
fn in_directory(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<ApiSocket, SocketError>,
) -> Result<ApiSocket, CsiError> {
    let directory = path.parent().expect("a socket is in a directory");
    fs::create_dir_all(directory)
        .map_err(|source| CsiError::Directory { path: directory.to_owned(), source })?;
    make(path).map_err(CsiError::Socket)
}

async fn serve_until(
    stopped: oneshot::Receiver<()>,
    [driver, registration]: [UnixListener; 2],
    node_service: NodeService,
    registration_service: RegistrationService,
) {
    let (driver_connections, accepted) = mpsc::channel(1);
    let driver_server = Server::builder()
        .add_service(IdentityServer::new(IdentityService))
        .add_service(NodeServer::new(node_service))
        .serve_with_incoming(ReceiverStream::new(accepted).map(Ok::<_, Infallible>));
    let (registration_connections, accepted) = mpsc::channel(1);
    let registration_server =
        Server::builder().add_service(RegistrationServer::new(registration_service)).serve_with_incoming(
            ReceiverStream::new(accepted).map(with_valid_authority).map(Ok::<_, Infallible>),
        );
    tokio::select! {
        _ = stopped => {}
        // None of these ends before the others.
        () = accept(driver, driver_connections) => {}
        () = accept(registration, registration_connections) => {}
        _ = driver_server => {}
        _ = registration_server => {}
    }
}

/// Registers the driver with the kubelet, without a sidecar.
struct RegistrationService {
    /// The driver's socket, as the kubelet sees the path.
    endpoint: String,
    volumes: Arc<Volumes>,
}

#[tonic::async_trait]
impl Registration for RegistrationService {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: api::names::CSI_DRIVER.to_owned(),
            endpoint: self.endpoint.clone(),
            supported_versions: VERSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let RegistrationStatus { plugin_registered, error } = request.into_inner();
        if plugin_registered {
            tracing::info!("driver registered with the kubelet");
            self.volumes.kubelet_answered(RegistrationResult::Registered);
        } else {
            // The kubelet retries, and reports the result again.
            tracing::error!(error, "the kubelet refuses to register the driver");
            self.volumes.kubelet_answered(RegistrationResult::Refused(error));
        }
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_socket_that_cannot_be_made_names_the_flag_to_change() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(100)).join("csi.sock");
        let refused = in_directory(&long, |path| ApiSocket::bind(path, OWNER_ONLY))
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(refused.starts_with("--kubelet-dir: socket path "), "{refused}");
        assert!(refused.ends_with("choose a shorter directory"), "{refused}");
    }
}
