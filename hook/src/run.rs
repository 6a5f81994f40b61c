//! Serves virt-launcher until the VM ends.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proto::hooks::info::info_server::InfoServer;
use proto::hooks::v1alpha3::callbacks_server::CallbacksServer;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;

use crate::args::SidecarArgs;
use crate::service::{CallbacksService, InfoService};

/// The file name must be unique among the sidecars of a VM.
const SOCKET: &str = "entropool.sock";
/// The socket is bound under this name and renamed: virt-launcher connects to a socket as soon as it finds it.
const TEMPORARY: &str = ".entropool.new";

/// Why the sidecar ends before its VM.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The runtime or its signal handlers cannot be set up.
    #[error("cannot set up the async runtime: {0}")]
    Setup(#[source] io::Error),
    /// The socket cannot be bound.
    #[error("cannot bind socket {path}: {source}", path = path.display())]
    Bind { path: PathBuf, source: io::Error },
    /// Serving failed.
    #[error("the gRPC server failed: {0}")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves virt-launcher until the VM ends, or a signal ends the sidecar.
pub fn run(args: &SidecarArgs) -> Result<(), RunError> {
    tracing_subscriber::fmt().json().with_writer(io::stderr).init();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Setup)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &SidecarArgs) -> Result<(), RunError> {
    let (shut_down, is_shut_down) = watch::channel(false);
    let end = end(is_shut_down)?;
    let path = args.hooks.join(SOCKET);
    let listener =
        bind(&args.hooks, &path).map_err(|source| RunError::Bind { path: path.clone(), source })?;
    let callbacks = CallbacksService { socket: args.socket.clone(), shut_down };
    let incoming = UnixListenerStream::new(listener).filter_map(Result::ok).map(Ok::<_, Infallible>);
    let served = tonic::transport::Server::builder()
        .add_service(InfoServer::new(InfoService))
        .add_service(CallbacksServer::new(callbacks))
        // The shutdown call itself is answered first.
        .serve_with_incoming_shutdown(incoming, end)
        .await;
    let _ = fs::remove_file(&path);
    served.map_err(RunError::Serve)
}

/// Resolves when the VM ends or the sidecar gets a signal.
fn end(mut shut_down: watch::Receiver<bool>) -> Result<impl Future<Output = ()>, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Setup)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Setup)?;
    Ok(async move {
        tokio::select! {
            _ = shut_down.wait_for(|is| *is) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn bind(directory: &Path, path: &Path) -> io::Result<UnixListener> {
    let temporary = directory.join(TEMPORARY);
    // A container that was restarted may have left it.
    let _ = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary)?;
    fs::rename(&temporary, path)?;
    Ok(listener)
}
