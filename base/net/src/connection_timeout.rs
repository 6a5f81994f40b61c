//! Connections that are closed unless the peer does what is expected of it in time. Otherwise a peer that only
//! connects, or sends anything else, would hold its slot forever, and a few thousand such peers would hold all slots.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::connection_limiter::{Permit, Slot};

/// What a peer has to do in time.
pub trait TimeoutCondition: Send + Unpin + 'static {
    /// What a service sees of the connection.
    type Info: Clone + Send + Sync + 'static;

    fn is_met(&self, has_sent: bool) -> bool;

    fn info(&self) -> Self::Info;
}

/// The peer has to send its first byte. The connection keeps its slot until it ends.
#[derive(Debug)]
pub struct FirstByte {
    _slot: Slot,
}

/// The peer has to authenticate. The connection counts as unauthenticated until then.
#[derive(Debug)]
pub struct Authenticated(UnauthenticatedPermit);

/// The permit of a connection whose peer has not authenticated yet; a service releases it.
#[derive(Clone, Debug)]
pub struct UnauthenticatedPermit(Arc<Mutex<Option<Permit>>>);

/// A connection that fails with `TimedOut` when its peer is late.
#[derive(Debug)]
pub struct ConnectionTimeout<S, C> {
    stream: S,
    condition: C,
    has_sent: bool,
    /// `None` once the condition is met.
    timer: Option<Pin<Box<Sleep>>>,
}

pub type FirstByteTimeout<S> = ConnectionTimeout<S, FirstByte>;
pub type AuthenticationTimeout<S> = ConnectionTimeout<S, Authenticated>;

impl<S> FirstByteTimeout<S> {
    pub fn first_byte(within: Duration, stream: S, slot: Slot) -> Self {
        Self::new(within, stream, FirstByte { _slot: slot })
    }
}

impl<S> AuthenticationTimeout<S> {
    pub fn authentication(within: Duration, stream: S, permit: Permit) -> Self {
        let permit = UnauthenticatedPermit(Arc::new(Mutex::new(Some(permit))));
        Self::new(within, stream, Authenticated(permit))
    }
}

impl TimeoutCondition for FirstByte {
    type Info = ();

    fn is_met(&self, has_sent: bool) -> bool {
        has_sent
    }

    fn info(&self) {}
}

impl TimeoutCondition for Authenticated {
    type Info = UnauthenticatedPermit;

    fn is_met(&self, _has_sent: bool) -> bool {
        self.0.permit().is_none()
    }

    fn info(&self) -> UnauthenticatedPermit {
        self.0.clone()
    }
}

impl Drop for Authenticated {
    fn drop(&mut self) {
        // A request that is still under way holds a clone of the permit.
        self.0.release();
    }
}

impl UnauthenticatedPermit {
    /// The peer has authenticated: its connection no longer counts, and no timer ends it.
    pub fn release(&self) {
        drop(self.permit().take());
    }

    /// Whose connection it is; `None` once the peer has authenticated.
    pub fn peer(&self) -> Option<IpAddr> {
        self.permit().as_ref().map(Permit::peer)
    }

    fn permit(&self) -> MutexGuard<'_, Option<Permit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, C: TimeoutCondition> ConnectionTimeout<S, C> {
    fn new(within: Duration, stream: S, condition: C) -> Self {
        let timer = Some(Box::pin(tokio::time::sleep(within)));
        Self { stream, condition, has_sent: false, timer }
    }

    fn has_expired(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.timer else { return false };
        if self.condition.is_met(self.has_sent) {
            self.timer = None;
            return false;
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<S, C: TimeoutCondition> Connected for ConnectionTimeout<S, C> {
    type ConnectInfo = C::Info;

    fn connect_info(&self) -> C::Info {
        self.condition.info()
    }
}

impl<S: AsyncRead + Unpin, C: TimeoutCondition> AsyncRead for ConnectionTimeout<S, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_expired(cx) {
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the peer took too long")));
        }
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.has_sent = true;
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin, C: TimeoutCondition> AsyncWrite for ConnectionTimeout<S, C> {
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

    async fn connect(limiter: &ConnectionLimiter) -> (AuthenticationTimeout<DuplexStream>, DuplexStream) {
        let permit = limiter.admit(limiter.slot().await, Ipv4Addr::LOCALHOST.into()).unwrap();
        let (near, far) = tokio::io::duplex(16);
        (AuthenticationTimeout::authentication(SHORT, near, permit), far)
    }

    #[tokio::test]
    async fn an_unauthenticated_peer_is_given_up_whatever_it_sends_and_an_authenticated_one_may_be_silent() {
        let limiter = ConnectionLimiter::new(ConnectionLimits::total(1));
        let (mut near, mut far) = connect(&limiter).await;
        far.write_u8(7).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), 7);
        let expired = near.read_u8().await;
        assert_eq!(expired.unwrap_err().kind(), ErrorKind::TimedOut);
        let held = near.connect_info();
        drop(near);

        // Its slot is free again, though a request still holds the permit.
        let (mut near, _far) = connect(&limiter).await;
        near.connect_info().release();
        let silence = tokio::time::timeout(5 * SHORT, near.read_u8()).await;
        assert!(silence.is_err(), "the connection was given up");
        // An authenticated connection takes no slot.
        let slot = tokio::time::timeout(SHORT, limiter.slot()).await;
        assert!(slot.is_ok());
        drop(held);
    }

    #[tokio::test]
    async fn a_peer_that_sends_nothing_is_given_up_and_one_that_has_sent_a_byte_is_not() {
        let limiter = ConnectionLimiter::new(ConnectionLimits::total(1));
        for sends in [false, true] {
            let (near, mut far) = tokio::io::duplex(16);
            let mut near = FirstByteTimeout::first_byte(SHORT, near, limiter.slot().await);
            if sends {
                far.write_u8(7).await.unwrap();
                assert_eq!(near.read_u8().await.unwrap(), 7);
            }
            let silence = tokio::time::timeout(5 * SHORT, near.read_u8()).await;
            assert_eq!(silence.is_ok(), !sends, "{silence:?}");
        }
    }
}
