//! A connection whose peer has to say who it is: one that only shakes hands, or talks of other things, would be kept for
//! ever, and thousands of them would be all that there is room for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::connection_limiter::ConnectionCounts;

/// Who is not believed within this is hung up on; an agent gives an attempt up sooner. Later silence is for HTTP/2 to find
/// out, by its pings.
const WITHIN: Duration = Duration::from_secs(10);

/// A connection that ends unless its peer is believed in time.
pub(super) struct FirstByteTimeout<S> {
    stream: S,
    stranger: UnauthenticatedPermit,
    /// None, once it was seen to be believed.
    patience: Option<Pin<Box<Sleep>>>,
}

/// The peer, as the service sees it: a stranger has a place among strangers, until it is believed.
#[derive(Clone, Debug)]
pub(super) struct UnauthenticatedPermit(Arc<Mutex<Option<ConnectionCounts>>>);

impl UnauthenticatedPermit {
    /// It is an agent.
    pub(super) fn is_believed(&self) {
        drop(self.place().take());
    }

    fn is_known(&self) -> bool {
        self.place().is_none()
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<ConnectionCounts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> FirstByteTimeout<S> {
    /// From now on it has its time.
    pub(super) fn new(stream: S, place: ConnectionCounts) -> Self {
        Self::within(WITHIN, stream, place)
    }

    fn within(time: Duration, stream: S, place: ConnectionCounts) -> Self {
        let stranger = UnauthenticatedPermit(Arc::new(Mutex::new(Some(place))));
        Self { stream, stranger, patience: Some(Box::pin(tokio::time::sleep(time))) }
    }

    /// Whether its time is over.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(patience) = &mut self.patience else { return false };
        if self.stranger.is_known() {
            self.patience = None;
            return false;
        }
        patience.as_mut().poll(cx).is_ready()
    }
}

impl<S> Drop for FirstByteTimeout<S> {
    fn drop(&mut self) {
        // A request may be on its way still, and knows the stranger.
        self.stranger.is_believed();
    }
}

impl<S> Connected for FirstByteTimeout<S> {
    type ConnectInfo = UnauthenticatedPermit;

    fn connect_info(&self) -> UnauthenticatedPermit {
        self.stranger.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstByteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstByteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::connection_limiter::{ConnectionLimiter, ConnectionLimits};

    const SHORT: Duration = Duration::from_millis(20);

    async fn guest(crowd: &ConnectionLimiter) -> (FirstByteTimeout<DuplexStream>, DuplexStream) {
        let place = crowd.take(crowd.place().await, Ipv4Addr::LOCALHOST.into()).unwrap();
        let (near, far) = tokio::io::duplex(16);
        (FirstByteTimeout::within(SHORT, near, place), far)
    }

    #[tokio::test]
    async fn who_is_not_believed_is_hung_up_on_whatever_it_says_and_an_agent_may_be_silent() {
        let crowd = ConnectionLimiter::new(ConnectionLimits { all: 1, free: 1, each: 1 });
        let (mut near, mut far) = guest(&crowd).await;
        far.write_u8(7).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), 7);
        let over = near.read_u8().await;
        assert_eq!(over.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let known = near.connect_info();
        drop(near);

        // Its place is free again, though somebody knows it still.
        let (mut near, _far) = guest(&crowd).await;
        near.connect_info().is_believed();
        let later = tokio::time::timeout(5 * SHORT, near.read_u8()).await;
        assert!(later.is_err(), "somebody hung up");
        // So is that of an agent, which is none of the strangers.
        let place = tokio::time::timeout(SHORT, crowd.place()).await;
        assert!(place.is_ok());
        drop(known);
    }
}
