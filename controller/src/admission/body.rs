//! Reads a question, of which few can be long at a time: it is held in memory as a whole, and whoever reaches the port may
//! ask.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use thiserror::Error;

use net::{ConnectionLimiter, Limits, Permit};

/// A question that takes longer to arrive is given up; the API server waits no longer, either.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// An object and what it was before, each as large as an API server takes one.
const LONGEST: usize = 8 << 20;
/// Launcher pods and VMs are shorter. There may be one of these on every connection.
const SHORT: usize = 64 << 10;
/// Questions that are longer, at a time: one an asker as soon as there is more than one.
const LONG: Limits = Limits { total: 3, unshared: 1, per_peer: 1 };
/// Between two looks for a place among them.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no question.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// The connection failed, or spoke no HTTP.
    #[error("the request cannot be read: {0}")]
    Broken(String),
    /// No review is as long.
    #[error("the request is longer than {LONGEST} bytes")]
    TooLong,
    /// It came too slowly, or waited too long for others.
    #[error("the request takes too long to arrive")]
    TooSlow,
}

/// A question as it came.
#[derive(Debug)]
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    /// Of a long one, until it is answered.
    place: Option<Permit>,
}

/// Reads questions.
#[derive(Debug)]
pub(super) struct BodyReader(ConnectionLimiter);

impl Default for BodyReader {
    fn default() -> Self {
        Self(ConnectionLimiter::new(LONG))
    }
}

impl BodyReader {
    /// Reads a question of that asker to its end.
    pub(super) async fn read<B>(&self, asker: IpAddr, body: B) -> Result<RequestBody, BodyError>
    where
        B: Body<Data = Bytes, Error: ToString> + Unpin,
    {
        let whole = tokio::time::timeout(ARRIVES_WITHIN, self.whole(asker, body)).await;
        whole.unwrap_or(Err(BodyError::TooSlow))
    }

    async fn whole<B>(&self, asker: IpAddr, mut body: B) -> Result<RequestBody, BodyError>
    where
        B: Body<Data = Bytes, Error: ToString> + Unpin,
    {
        let mut question = RequestBody { bytes: Vec::new(), place: None };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = question.bytes.len() + data.len();
            if length > LONGEST {
                return Err(BodyError::TooLong);
            }
            if length > SHORT && question.place.is_none() {
                question.place = Some(self.place(asker).await);
            }
            question.bytes.extend_from_slice(&data);
        }
        Ok(question)
    }

    async fn place(&self, asker: IpAddr) -> Permit {
        loop {
            if let Some(taken) = self.0.admit(self.0.slot().await, asker) {
                return taken;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use http_body_util::Full;

    use super::*;

    const LONELY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn body(length: usize) -> Full<Bytes> {
        Full::new(vec![b'x'; length].into())
    }

    #[tokio::test]
    async fn long_questions_take_turns_and_one_asker_leaves_places_to_others() {
        let reader = BodyReader::default();
        let held = reader.read(LONELY, body(SHORT + 1)).await.unwrap();
        assert_eq!(held.bytes.len(), SHORT + 1);
        // A second of the same has to wait, and those of others and short ones have not.
        let soon = Duration::from_millis(100);
        assert!(tokio::time::timeout(soon, reader.read(LONELY, body(SHORT + 1))).await.is_err());
        let other = reader.read(OTHER, body(LONGEST)).await.unwrap();
        assert!(reader.read(LONELY, body(SHORT)).await.is_ok());
        drop(held);
        assert!(reader.read(LONELY, body(SHORT + 1)).await.is_ok());
        drop(other);
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_kept() {
        let refused = BodyReader::default().read(LONELY, body(LONGEST + 1)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the request is longer than 8388608 bytes");
    }
}
