//! `connect`: standard input and output as a connection to a unix socket.
//!
//! In a pod this is how somebody who may run a program in the agent's container calls the agent: the socket is its owner's
//! alone.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

/// Copies until the socket's end is read; the end of standard input ends only the other direction.
pub fn connect(socket: &Path) -> io::Result<()> {
    let stream = UnixStream::connect(socket).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot connect to {}: {error}", socket.display()))
    })?;
    let to = stream.try_clone()?;
    thread::spawn(move || {
        // An error ends the connection, which the other direction sees.
        let _ = pass_on(io::stdin().lock(), &to);
        let _ = to.shutdown(Shutdown::Write);
    });
    pass_on(&stream, io::stdout().lock())
}

/// Copies without keeping anything back: `io::copy` fills a buffer of standard output.
fn pass_on(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => {
                to.write_all(&buffer[..read])?;
                to.flush()?;
            }
        }
    }
}
