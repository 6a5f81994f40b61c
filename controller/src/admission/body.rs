//! Reads request bodies with bounded memory: a body is held as a whole, and any peer may send one, so only a few long ones
//! are read at a time.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use thiserror::Error;

use net::{ConnectionLimiter, ConnectionLimits, Permit};

/// The API server does not wait longer either.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An object and its previous version, each of the largest size that an API server accepts.
const MAX_BODY: usize = 8 << 20;
/// Launcher pods and VMs are smaller. Every connection may hold a body of this size.
const SHORT_BODY: usize = 64 << 10;
/// The number of longer bodies at a time; a peer may have one of them if there are several.
const LONG_BODIES: ConnectionLimits = ConnectionLimits { total: 3, unshared: 1, per_peer: 1 };
/// The wait between two attempts to get a permit for a long body.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug, Error)]
pub(super) enum BodyError {
    #[error("failed to read the request: {0}")]
    Broken(String),
    #[error("the request is longer than {MAX_BODY} bytes")]
    TooLong,
    /// The body arrived too slowly, or waited too long for a permit.
    #[error("the request took longer than {} seconds to arrive", TIMEOUT.as_secs())]
    TooSlow,
}

#[derive(Debug)]
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    /// Held by a long body until it is answered.
    permit: Option<Permit>,
}

#[derive(Debug)]
pub(super) struct BodyReader(ConnectionLimiter);

impl Default for BodyReader {
    fn default() -> Self {
        Self(ConnectionLimiter::new(LONG_BODIES))
    }
}

impl BodyReader {
    /// Reads a body from this peer to its end.
    pub(super) async fn read<B>(&self, peer: IpAddr, body: B) -> Result<RequestBody, BodyError>
    where
        B: Body<Data = Bytes, Error: ToString> + Unpin,
    {
        let result = tokio::time::timeout(TIMEOUT, self.read_all(peer, body)).await;
        result.unwrap_or(Err(BodyError::TooSlow))
    }

    async fn read_all<B>(&self, peer: IpAddr, mut body: B) -> Result<RequestBody, BodyError>
    where
        B: Body<Data = Bytes, Error: ToString> + Unpin,
    {
        let mut request = RequestBody { bytes: Vec::new(), permit: None };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = request.bytes.len() + data.len();
            if length > MAX_BODY {
                return Err(BodyError::TooLong);
            }
            if length > SHORT_BODY && request.permit.is_none() {
                request.permit = Some(self.permit(peer).await);
            }
            request.bytes.extend_from_slice(&data);
        }
        Ok(request)
    }

    async fn permit(&self, peer: IpAddr) -> Permit {
        loop {
            if let Some(permit) = self.0.admit(self.0.slot().await, peer) {
                return permit;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use http_body_util::Full;

    use super::*;

    const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn body(length: usize) -> Full<Bytes> {
        Full::new(vec![b'x'; length].into())
    }

    #[tokio::test]
    async fn one_peer_has_one_long_body_at_a_time_and_leaves_permits_to_others() {
        let reader = BodyReader::default();
        let held = reader.read(FIRST, body(SHORT_BODY + 1)).await.unwrap();
        assert_eq!(held.bytes.len(), SHORT_BODY + 1);
        // A second long body of the same peer waits; those of others, and short ones, do not.
        let soon = Duration::from_millis(100);
        assert!(tokio::time::timeout(soon, reader.read(FIRST, body(SHORT_BODY + 1))).await.is_err());
        let other = reader.read(OTHER, body(MAX_BODY)).await.unwrap();
        assert!(reader.read(FIRST, body(SHORT_BODY)).await.is_ok());
        drop(held);
        assert!(reader.read(FIRST, body(SHORT_BODY + 1)).await.is_ok());
        drop(other);
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused() {
        let refused = BodyReader::default().read(FIRST, body(MAX_BODY + 1)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the request is longer than 8388608 bytes");
    }
}
