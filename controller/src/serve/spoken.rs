//! A connection that has to say something: whoever shakes hands and is silent then would be kept for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// The first words come within this, or the connection ends. Later silence is for HTTP/2 to find out, by its pings.
const WITHIN: Duration = Duration::from_secs(10);

/// A connection that ends if nothing was ever said on it.
pub(super) struct Spoken<S> {
    stream: S,
    /// None, once something was said.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<S> Spoken<S> {
    /// From now on it has its time.
    pub(super) fn new(stream: S) -> Self {
        Self::within(WITHIN, stream)
    }

    fn within(time: Duration, stream: S) -> Self {
        Self { stream, silence: Some(Box::pin(tokio::time::sleep(time))) }
    }
}

impl<S: Connected> Connected for Spoken<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Spoken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready() {
            self.silence = None;
        } else if let Some(silence) = &mut self.silence
            && silence.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Spoken<S> {
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

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn who_is_silent_from_the_beginning_is_hung_up_on_and_who_has_spoken_may_be_silent() {
        let (near, _far) = tokio::io::duplex(16);
        let silent = Spoken::within(SHORT, near).read_u8().await;
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let (near, mut far) = tokio::io::duplex(16);
        far.write_u8(7).await.unwrap();
        let mut near = Spoken::within(SHORT, near);
        assert_eq!(near.read_u8().await.unwrap(), 7);
        let later = tokio::time::timeout(5 * SHORT, near.read_u8()).await;
        assert!(later.is_err(), "somebody hung up");
    }
}
