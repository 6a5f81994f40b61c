//! Protobuf in gRPC, in buffers that grow with what is in them.
//!
//! A call of the usual codec has two of 8 KiB from its beginning. A controller has thousands of streams that are open
//! for days and carry some hundred bytes at a time.

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// What a buffer begins with and grows by: most messages.
const BUFFER: usize = 512;
/// Messages that wait together go together, up to so many bytes.
const TOGETHER: usize = 32 << 10;

/// A codec of messages that are sent, and messages that are received.
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
        ProstEncoder::new(BufferSettings::new(BUFFER, TOGETHER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, TOGETHER))
    }
}
