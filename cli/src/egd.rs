//! A plain EGD client: one command, one answer, over any socket.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::args::{EgdArgs, EgdVerb};
use crate::output;
use crate::stream::Stream;

/// The largest count that one command can carry.
const MOST: usize = 255;

/// How long unsolicited bytes may take to come. The daemon sends them as it accepts, and where many connect it accepts one
/// each 100 ms.
const UNSOLICITED: Duration = Duration::from_millis(150);

/// Says one command to a socket and prints the answer.
pub(crate) fn egd(args: &EgdArgs) -> Result<()> {
    match &args.verb {
        EgdVerb::Level { socket } => output::line(&level(&mut connect_framed(socket)?)?.to_string()),
        EgdVerb::Pid { socket } => output::line(&pid(&mut connect_framed(socket)?)?),
        EgdVerb::Write { socket } => {
            let sent = send(&mut connect(socket)?, io::stdin().lock())?;
            output::line(&format!("{sent} bytes sent"))
        }
        EgdVerb::Read { bytes, socket, hex, non_blocking } => {
            if !hex && io::stdout().is_terminal() {
                bail!("raw bytes would garble the terminal: add --hex, or send standard output to a file");
            }
            let mut out = output(*hex)?;
            let end = if *non_blocking {
                take(connect_framed(socket)?, *bytes, &mut out)
            } else {
                read(connect(socket)?, *bytes, &mut out)
            };
            if *hex { end.and_then(|()| output::line("")) } else { end }
        }
    }
}

fn connect(socket: &Path) -> Result<Stream> {
    Stream::connect(socket).with_context(|| {
        format!("cannot connect to {} (is it the socket of an attached VM?)", socket.display())
    })
}

/// A connection whose next byte answers what is said next. To the socket of a QEMU the daemon sends bytes unsolicited, at
/// once and until it hears a command; they would be taken for the answer's length or number.
fn connect_framed(socket: &Path) -> Result<Stream> {
    let mut stream = connect(socket)?;
    stream.set_read_timeout(Some(UNSOLICITED)).context("cannot set a time limit")?;
    // One read takes one push; a timeout is a peer that sends nothing unsolicited.
    let _ = stream.read(&mut *Zeroizing::new([0; MOST]));
    stream.set_read_timeout(None).context("cannot lift a time limit")?;
    Ok(stream)
}

/// 0x00: the answer is a number of bits.
fn level(stream: &mut Stream) -> Result<u32> {
    let mut answer = [0; 4];
    ask(stream, &[0x00], &mut answer)?;
    Ok(u32::from_be_bytes(answer))
}

/// 0x04: the answer is a length and as many digits.
fn pid(stream: &mut Stream) -> Result<String> {
    let mut length = [0; 1];
    ask(stream, &[0x04], &mut length)?;
    let mut digits = vec![0; usize::from(length[0])];
    hear(stream, &mut digits)?;
    String::from_utf8(digits).context("the answer to 0x04 is no number")
}

/// 0x02: waits until every byte has come.
fn read(mut stream: Stream, mut left: u64, out: &mut Sink) -> Result<()> {
    let mut buffer = Zeroizing::new([0; MOST]);
    while left > 0 {
        let (count, length) = at_most(left);
        ask(&mut stream, &[0x02, count], &mut buffer[..length])?;
        if !out.put(&buffer[..length])? {
            break;
        }
        left -= u64::from(count);
    }
    Ok(())
}

/// 0x01: a short answer means that there is no more for now.
fn take(mut stream: Stream, mut left: u64, out: &mut Sink) -> Result<()> {
    let mut buffer = Zeroizing::new([0; MOST]);
    while left > 0 {
        let (count, _) = at_most(left);
        let mut given = [0; 1];
        ask(&mut stream, &[0x01, count], &mut given)?;
        if given[0] > count {
            bail!("asked for {count} bytes, the answer to 0x01 says {}", given[0]);
        }
        let bytes = &mut buffer[..usize::from(given[0])];
        hear(&mut stream, bytes)?;
        let is_read = out.put(bytes)?;
        left -= u64::from(given[0]);
        if given[0] < count || !is_read {
            break;
        }
    }
    Ok(())
}

/// 0x03: nothing is answered. It claims no entropy: who reads it could not believe a claim.
fn send(stream: &mut Stream, mut input: impl Read) -> Result<u64> {
    let mut chunk = Zeroizing::new([0; MOST]);
    let mut sent = 0;
    loop {
        let length = input.read(&mut chunk[..]).context("cannot read standard input")?;
        if length == 0 {
            return Ok(sent);
        }
        let (count, _) = at_most(length as u64);
        let say = |stream: &mut Stream| {
            stream.write_all(&[0x03, 0, 0, count])?;
            stream.write_all(&chunk[..length])
        };
        say(stream).context("cannot send")?;
        sent += length as u64;
    }
}

/// What one command may ask of `left`, as the byte it is sent in and as a length.
fn at_most(left: u64) -> (u8, usize) {
    let count = u8::try_from(left).unwrap_or(u8::MAX);
    (count, usize::from(count))
}

fn ask(stream: &mut Stream, command: &[u8], answer: &mut [u8]) -> Result<()> {
    stream.write_all(command).context("cannot send")?;
    hear(stream, answer)
}

fn hear(stream: &mut Stream, answer: &mut [u8]) -> Result<()> {
    stream.read_exact(answer).context("the connection ended before the answer was whole")
}

/// Standard output, for bytes that must not linger in a buffer of ours.
struct Sink {
    file: File,
    hex: bool,
}

fn output(hex: bool) -> Result<Sink> {
    let descriptor = io::stdout().as_fd().try_clone_to_owned().context("cannot use standard output")?;
    Ok(Sink { file: descriptor.into(), hex })
}

impl Sink {
    /// False when nobody reads any more (`| head`), which is no failure.
    fn put(&mut self, bytes: &[u8]) -> Result<bool> {
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

/// The digits of at most [`MOST`] bytes.
fn digits(bytes: &[u8]) -> Zeroizing<[u8; 2 * MOST]> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new([0; 2 * MOST]);
    for (pair, byte) in text.chunks_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text
}
