//! A plain, blocking client of the EGD protocol.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// One connection. Every read gives up after some seconds, so that a silent daemon fails the test.
pub struct EgdClient {
    stream: UnixStream,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl EgdClient {
    /// Connects; nothing is said yet.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Bits that this client could take now (0x00).
    pub fn level(&mut self) -> io::Result<u32> {
        self.send(&[0])?;
        let mut bits = [0; 4];
        self.stream.read_exact(&mut bits)?;
        Ok(u32::from_be_bytes(bits))
    }

    /// Up to `bytes` of what there is now (0x01).
    pub fn try_read(&mut self, bytes: u8) -> io::Result<Vec<u8>> {
        self.send(&[1, bytes])?;
        self.counted()
    }

    /// Exactly `bytes`, however long it takes (0x02).
    pub fn read(&mut self, bytes: u8) -> io::Result<Vec<u8>> {
        self.send(&[2, bytes])?;
        self.receive(bytes.into())
    }

    /// Gives `bytes` away, which claim to hold `bits` (0x03).
    pub fn write(&mut self, bits: u16, bytes: &[u8]) -> io::Result<()> {
        let length = u8::try_from(bytes.len()).map_err(io::Error::other)?;
        let [high, low] = bits.to_be_bytes();
        self.send(&[&[3, high, low, length], bytes].concat())
    }

    /// What the daemon calls its process (0x04).
    pub fn pid(&mut self) -> io::Result<String> {
        self.send(&[4])?;
        String::from_utf8(self.counted()?).map_err(io::Error::other)
    }

    /// Any bytes at all.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Exactly as many bytes as were said.
    pub fn receive(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut reply = vec![0; bytes];
        self.stream.read_exact(&mut reply)?;
        Ok(reply)
    }

    /// A reply that begins with its length.
    pub fn counted(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0];
        self.stream.read_exact(&mut length)?;
        self.receive(length[0].into())
    }

    /// True when the daemon has closed this connection (waits for it, or for a byte).
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// The connection itself, for those who poll.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }
}

impl From<UnixStream> for EgdClient {
    /// Takes over a connection, with its own time limits.
    fn from(stream: UnixStream) -> Self {
        Self { stream }
    }
}
