//! `egd`: an EGD client for one command.

mod stream;

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::args::{EgdArgs, EgdCommand};
use crate::output;

pub(crate) use stream::TCP;

use stream::EgdStream;

/// The largest count that one command can carry.
const MAX_COUNT: usize = 255;

/// The time to wait for unsolicited bytes. The daemon sends them 50 ms after it has accepted, an older one at once, and after
/// many connections of a VM it accepts one every 100 ms.
const UNSOLICITED_TIMEOUT: Duration = Duration::from_millis(250);

/// Sends one command to a socket and prints the answer.
pub(crate) fn egd(args: &EgdArgs) -> Result<()> {
    match &args.command {
        EgdCommand::Level { socket } => output::print_line(&level(&mut connect_framed(socket)?)?.to_string()),
        EgdCommand::Pid { socket } => output::print_line(&pid(&mut connect_framed(socket)?)?),
        EgdCommand::Write { socket } => {
            let sent = write(&mut connect(socket)?, io::stdin().lock())?;
            output::print_line(&format!("{sent} bytes sent"))
        }
        EgdCommand::Read { bytes, socket, hex, non_blocking } => {
            if !hex && io::stdout().is_terminal() {
                bail!(
                    "raw bytes would garble the terminal: add --hex, or redirect standard output to a file"
                );
            }
            let mut out = Sink::stdout(*hex)?;
            if *non_blocking {
                read_non_blocking(connect_framed(socket)?, *bytes, &mut out)?;
            } else {
                read_blocking(connect(socket)?, *bytes, &mut out)?;
            }
            if *hex { output::print_line("") } else { Ok(()) }
        }
    }
}

fn connect(socket: &Path) -> Result<EgdStream> {
    EgdStream::connect(socket).with_context(|| {
        format!("cannot connect to {}; it must be the socket of an attached VM", socket.display())
    })
}

/// A connection whose next byte answers the next command. On the socket of a QEMU the daemon sends unsolicited bytes until
/// the first command; they would be taken for the length or number of the answer.
fn connect_framed(socket: &Path) -> Result<EgdStream> {
    let mut stream = connect(socket)?;
    stream.set_read_timeout(Some(UNSOLICITED_TIMEOUT)).context("cannot set a read timeout")?;
    // They arrive in one read; a timeout means that the peer sends none.
    let _ = stream.read(&mut *Zeroizing::new([0; MAX_COUNT]));
    stream.set_read_timeout(None).context("cannot clear the read timeout")?;
    Ok(stream)
}

/// 0x00: the answer is a number of bits.
fn level(stream: &mut EgdStream) -> Result<u32> {
    let mut answer = [0; 4];
    send_command(stream, &[0x00], &mut answer)?;
    Ok(u32::from_be_bytes(answer))
}

/// 0x04: the answer is a length and as many digits.
fn pid(stream: &mut EgdStream) -> Result<String> {
    let mut length = [0; 1];
    send_command(stream, &[0x04], &mut length)?;
    let mut digits = vec![0; usize::from(length[0])];
    receive(stream, &mut digits)?;
    String::from_utf8(digits).context("the answer to 0x04 is not a number")
}

/// 0x02: waits for all bytes.
fn read_blocking(mut stream: EgdStream, mut left: u64, out: &mut Sink) -> Result<()> {
    let mut buffer = Zeroizing::new([0; MAX_COUNT]);
    while left > 0 {
        let (count, length) = at_most(left);
        send_command(&mut stream, &[0x02, count], &mut buffer[..length])?;
        if !out.write(&buffer[..length])? {
            break;
        }
        left -= u64::from(count);
    }
    Ok(())
}

/// 0x01: a short answer means that no more bytes are available now.
fn read_non_blocking(mut stream: EgdStream, mut left: u64, out: &mut Sink) -> Result<()> {
    let mut buffer = Zeroizing::new([0; MAX_COUNT]);
    while left > 0 {
        let (count, _) = at_most(left);
        let mut given = [0; 1];
        send_command(&mut stream, &[0x01, count], &mut given)?;
        if given[0] > count {
            bail!("requested {count} bytes, but the answer to 0x01 announces {}", given[0]);
        }
        let bytes = &mut buffer[..usize::from(given[0])];
        receive(&mut stream, bytes)?;
        let is_open = out.write(bytes)?;
        left -= u64::from(given[0]);
        if given[0] < count || !is_open {
            break;
        }
    }
    Ok(())
}

/// 0x03: there is no answer. It claims no entropy, since the daemon could not believe a claim.
fn write(stream: &mut EgdStream, mut input: impl Read) -> Result<u64> {
    let mut chunk = Zeroizing::new([0; MAX_COUNT]);
    let mut sent = 0;
    loop {
        let length = input.read(&mut chunk[..]).context("cannot read standard input")?;
        if length == 0 {
            return Ok(sent);
        }
        let (count, _) = at_most(length as u64);
        let header = [0x03, 0, 0, count];
        let sending = stream.write_all(&header).and_then(|()| stream.write_all(&chunk[..length]));
        sending.context("cannot write to the socket")?;
        sent += length as u64;
    }
}

/// The part of `left` that one command can carry, as its count byte and as a length.
fn at_most(left: u64) -> (u8, usize) {
    let count = u8::try_from(left).unwrap_or(u8::MAX);
    (count, usize::from(count))
}

fn send_command(stream: &mut EgdStream, command: &[u8], answer: &mut [u8]) -> Result<()> {
    stream.write_all(command).context("cannot write to the socket")?;
    receive(stream, answer)
}

fn receive(stream: &mut EgdStream, answer: &mut [u8]) -> Result<()> {
    stream.read_exact(answer).context("the connection closed before the answer was complete")
}

/// Standard output without a buffer, in which random bytes would stay.
struct Sink {
    file: File,
    hex: bool,
}

impl Sink {
    fn stdout(hex: bool) -> Result<Self> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned().context("cannot use standard output")?;
        Ok(Self { file: descriptor.into(), hex })
    }

    /// False if the pipe is closed (`| head`), which is not an error.
    fn write(&mut self, bytes: &[u8]) -> Result<bool> {
        let end = if self.hex {
            self.file.write_all(&digits(bytes)[..2 * bytes.len()])
        } else {
            self.file.write_all(bytes)
        };
        match end {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).context("cannot write to standard output"),
        }
    }
}

/// The digits of at most [`MAX_COUNT`] bytes.
fn digits(bytes: &[u8]) -> Zeroizing<[u8; 2 * MAX_COUNT]> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new([0; 2 * MAX_COUNT]);
    for (pair, byte) in text.chunks_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text
}
