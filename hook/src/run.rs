//! From the command line to the end of the VM.

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

use crate::args::Args;
use crate::service::{CallbacksService, InfoService};

/// Of all sidecars of a VM, each has to have a file name of its own.
const SOCKET: &str = "entropool.sock";
/// Made under this name and renamed: virt-launcher takes whatever it finds for a sidecar that answers.
const TEMPORARY: &str = ".entropool.new";

/// Why the sidecar ends before its VM.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The runtime or its signals cannot be set up.
    #[error("the runtime cannot be set up: {0}")]
    Setup(#[source] io::Error),
    /// virt-launcher cannot reach it.
    #[error("socket {path} cannot be made: {source}", path = path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can no longer be reached.
    #[error("the service failed: {0}")]
    Serve(#[source] tonic::transport::Error),
}

/// Answers virt-launcher until it says that the VM ends, or a signal does.
pub fn run(args: &Args) -> Result<(), RunError> {
    tracing_subscriber::fmt().json().with_writer(io::stderr).init();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Setup)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &Args) -> Result<(), RunError> {
    let (shut_down, is_shut_down) = watch::channel(false);
    let ends = ends(is_shut_down)?;
    let path = args.hooks.join(SOCKET);
    let listener =
        bind(&args.hooks, &path).map_err(|source| RunError::Bind { path: path.clone(), source })?;
    let callbacks = CallbacksService { socket: args.socket.clone(), shut_down };
    let incoming = UnixListenerStream::new(listener).filter_map(Result::ok).map(Ok::<_, Infallible>);
    let served = tonic::transport::Server::builder()
        .add_service(InfoServer::new(InfoService))
        .add_service(CallbacksServer::new(callbacks))
        // The call that says so is answered first.
        .serve_with_incoming_shutdown(incoming, ends)
        .await;
    let _ = fs::remove_file(&path);
    served.map_err(RunError::Serve)
}

/// Done when the VM ends or somebody ends the sidecar.
fn ends(mut shut_down: watch::Receiver<bool>) -> Result<impl Future<Output = ()>, RunError> {
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
    // Left by a container that was restarted.
    let _ = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary)?;
    fs::rename(&temporary, path)?;
    Ok(listener)
}
