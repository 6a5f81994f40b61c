//! Rewrites the `:authority` of a kubelet's requests.
//!
//! A kubelet that registers a driver sends the path of the socket as authority, which HTTP does not allow. Go's gRPC
//! accepts it; h2 answers with a `PROTOCOL_ERROR`. So the client's frames are parsed before h2 sees them, and the value
//! is replaced in the header block.

use std::io;

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, copy, duplex, split,
};

const PREFACE: usize = 24;
const FRAME_HEADER: usize = 9;
/// The largest frame that a peer may send unless the server allows more (RFC 9113, 6.5.2).
const MAX_FRAME: usize = 16 * 1024;
const HEADERS: u8 = 1;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
/// The index of `:authority` in HPACK's static table (RFC 7541, appendix A).
const AUTHORITY: usize = 1;
/// Shorter than any path of a socket, so that the server's dynamic table never evicts an entry before the client's does.
const REPLACEMENT: &[u8] = b"kubelet";

/// The connection of a kubelet, with an authority that HTTP allows.
pub(super) fn with_valid_authority(kubelet: impl AsyncRead + AsyncWrite + Send + 'static) -> DuplexStream {
    let (ours, server) = duplex(MAX_FRAME);
    tokio::spawn(async move {
        let (from_kubelet, mut to_kubelet) = split(kubelet);
        let (mut from_server, mut to_server) = split(ours);
        // When one half ends, the other is of no use.
        tokio::select! {
            _ = rewrite(from_kubelet, &mut to_server) => {}
            _ = copy(&mut from_server, &mut to_kubelet) => {}
        }
    });
    server
}

async fn rewrite<C: AsyncRead>(mut from: ReadHalf<C>, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut preface = [0; PREFACE];
    from.read_exact(&mut preface).await?;
    to.write_all(&preface).await?;
    loop {
        let mut header = [0; FRAME_HEADER];
        from.read_exact(&mut header).await?;
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        if length > MAX_FRAME {
            return Err(io::Error::other("frame too large"));
        }
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).await?;
        if header[3] == HEADERS {
            payload = rewrite_headers(header[4], &payload).unwrap_or(payload);
            let [.., high, middle, low] = payload.len().to_be_bytes();
            header[..3].copy_from_slice(&[high, middle, low]);
        }
        to.write_all(&header).await?;
        to.write_all(&payload).await?;
    }
}

/// The payload of a HEADERS frame with the replaced authority. `None` where there is none, or the frame is malformed,
/// which is left to the server to answer.
fn rewrite_headers(flags: u8, payload: &[u8]) -> Option<Vec<u8>> {
    let padding = if flags & PADDED == 0 { 0 } else { usize::from(*payload.first()?) };
    let begin = usize::from(flags & PADDED != 0) + if flags & PRIORITY == 0 { 0 } else { 5 };
    let end = payload.len().checked_sub(padding)?;
    let value = authority(payload.get(begin..end)?)?;
    let (before, after) = (&payload[..begin + value.start], &payload[begin + value.end..]);
    let length = u8::try_from(REPLACEMENT.len()).expect("a short word");
    Some([before, &[length], REPLACEMENT, after].concat())
}

/// Where the literal value of `:authority` is in a header block, including its length.
fn authority(block: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = 0;
    loop {
        // RFC 7541, 6: the representation, and how many bits of the first byte belong to the index.
        let (bits, literal) = match block.get(at)? {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let name = integer(block, &mut at, bits)?;
        if !literal {
            continue;
        }
        if name == 0 {
            string(block, &mut at)?;
        }
        let start = at;
        string(block, &mut at)?;
        if name == AUTHORITY {
            return Some(start..at);
        }
    }
}

/// Decodes an integer (RFC 7541, 5.1) that is small enough to fit a frame.
fn integer(block: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*block.get(*at)?) & most;
    *at += 1;
    if value < most {
        return Some(value);
    }
    for shift in [0, 7, 14] {
        let byte = *block.get(*at)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Skips a string literal, Huffman-coded or not.
fn string(block: &[u8], at: &mut usize) -> Option<()> {
    let length = integer(block, at, 7)?;
    *at = at.checked_add(length).filter(|end| *end <= block.len())?;
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The header block of a kubelet 1.34 that calls `/pluginregistration.Registration/GetInfo`: `:method`, `:scheme`,
    /// `:path` and `:authority` (both Huffman-coded), then headers that do not matter here.
    const BLOCK: &str = "8386459c62ba2d98d558598c84d83498f52fb4b31909b06931ea63115392a94f\
        41ac54587b8ec545868346a8b0f5b632d054aa2c35d16cc6a91158598c84d9e9516120eb4db6156b0b32e8393aff\
        5f8b1d75d0620d263d4c4d6564";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        hex.as_bytes().chunks(2).map(digits).collect()
    }

    fn replaced() -> Vec<u8> {
        let block = bytes(BLOCK);
        [&block[..33], b"\x07kubelet", &block[33 + 45..]].concat()
    }

    #[test]
    fn the_authority_of_a_kubelet_is_replaced_and_nothing_else() {
        assert_eq!(rewrite_headers(0x04, &bytes(BLOCK)).unwrap(), replaced());
    }

    #[test]
    fn padding_and_priority_are_kept() {
        let around = |block: &[u8]| [&[2, 0, 0, 0, 0, 16], block, &[0, 0]].concat();
        assert_eq!(rewrite_headers(0x2c, &around(&bytes(BLOCK))).unwrap(), around(&replaced()));
    }

    #[test]
    fn a_truncated_block_is_left_to_the_server() {
        let block = bytes(BLOCK);
        // What follows the authority is not parsed.
        for end in 0..33 + 45 {
            assert_eq!(rewrite_headers(0x04, &block[..end]), None, "{end}");
        }
        assert_eq!(rewrite_headers(0x2c, &[9]), None);
        assert_eq!(rewrite_headers(0x04, &[0x41, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
