//! Whoever calls the local API: one of a few, and not one that says nothing.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// Callers at once. The next one waits to be accepted: the kernel keeps it, and it costs us nothing.
const SEATS: usize = 16;
/// How long a caller may take for its first byte.
const SILENT: Duration = Duration::from_secs(5);

/// The places there are.
#[derive(Debug)]
pub(super) struct ConnectionLimit(Arc<Semaphore>);

impl ConnectionLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(SEATS)))
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.0).acquire_owned().await.expect("nobody closes the semaphore")
    }
}

/// A connection that has a place for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Caller<S> {
    stream: S,
    /// Until its first byte.
    patience: Option<Pin<Box<Sleep>>>,
    _seat: OwnedSemaphorePermit,
}

impl<S> Caller<S> {
    pub(super) fn new(stream: S, seat: OwnedSemaphorePermit) -> Self {
        Self { stream, patience: Some(Box::pin(sleep(SILENT))), _seat: seat }
    }
}

impl<S> Connected for Caller<S> {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl<S: AsyncRead + Unpin> AsyncRead for Caller<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = Pin::new(&mut self.stream).poll_read(context, into) {
            self.patience = None;
            return Poll::Ready(end);
        }
        match &mut self.patience {
            Some(patience) => patience
                .as_mut()
                .poll(context)
                .map(|()| Err(io::Error::new(ErrorKind::TimedOut, "a caller of the local API said nothing"))),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Caller<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
