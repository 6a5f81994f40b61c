//! Protobuf in gRPC, with small buffers that grow.
//!
//! tonic's codec allocates two buffers of 8 KiB for each call. A controller has thousands of streams that are open for
//! days and carry some hundred bytes at a time.

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The first size of a buffer and the step by which it grows; most messages fit.
const BUFFER: usize = 512;
/// Messages that wait together are sent together, up to this many bytes.
const BATCH: usize = 32 << 10;

/// A codec that sends `T` and receives `U`.
#[derive(Clone, Debug)]
pub struct LeanCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for LeanCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> Codec for LeanCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, BATCH))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, BATCH))
    }
}
