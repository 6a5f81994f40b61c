//! Whether the loop sleeps, for a watchdog in another process.
//!
//! The loop writes one byte of shared memory, without a system call; the watchdog reads it without waking the loop.

use std::fs::File;
use std::io;

use memmap2::MmapMut;
use rustix::fs::{MemfdFlags, memfd_create};

/// The byte while the loop sleeps and would wake for any event.
pub const ASLEEP: u8 = b'Z';
const AWAKE: u8 = 0;

/// The loop's mapping of the byte. Without one, as when memory is short, the loop never appears asleep.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat(Option<MmapMut>);

impl Heartbeat {
    /// A heartbeat that says *awake*, and the file to read it from.
    #[expect(unsafe_code, reason = "a mapping of a file")]
    pub(crate) fn new() -> io::Result<(Self, File)> {
        let file = File::from(memfd_create("entropool-heartbeat", MemfdFlags::CLOEXEC)?);
        file.set_len(1)?;
        // SAFETY: the file was just created and has no name. Only the process that started this one receives it, and it
        // only reads: the file is never truncated, and only this mapping writes to it.
        let map = unsafe { MmapMut::map_mut(&file) }?;
        Ok((Self(Some(map)), file))
    }

    pub(crate) fn set_asleep(&mut self, asleep: bool) {
        if let Some(byte) = self.0.as_mut().and_then(|map| map.first_mut()) {
            *byte = if asleep { ASLEEP } else { AWAKE };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn the_file_says_whether_the_loop_sleeps() {
        let (mut heartbeat, file) = Heartbeat::new().unwrap();
        let seen = || {
            let mut byte = [1];
            file.read_exact_at(&mut byte, 0).unwrap();
            byte[0]
        };
        assert_eq!(seen(), AWAKE);
        for (asleep, byte) in [(true, ASLEEP), (false, AWAKE), (true, ASLEEP)] {
            heartbeat.set_asleep(asleep);
            assert_eq!(seen(), byte);
        }
    }

    #[test]
    fn a_loop_without_a_watchdog_needs_no_file() {
        Heartbeat::default().set_asleep(true);
    }
}
