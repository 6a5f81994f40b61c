//! A connection to a VM's unix socket or TCP port.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The prefix of an address where a path is possible too.
pub(crate) const TCP: &str = "tcp:";

pub(crate) enum EgdStream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl EgdStream {
    /// Connects to a path, or to the address after `tcp:`.
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        match socket.to_str().and_then(|socket| socket.strip_prefix(TCP)) {
            Some(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            None => UnixStream::connect(socket).map(Self::Unix),
        }
    }

    pub(crate) fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(time),
            Self::Tcp(stream) => stream.set_read_timeout(time),
        }
    }
}

impl Read for EgdStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
        }
    }
}

impl Write for EgdStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
        }
    }
}
