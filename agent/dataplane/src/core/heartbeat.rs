//! Whether the loop sleeps, for a process that looks at it from outside.
//!
//! The loop writes one byte of memory that both share, without a system call; who looks reads it, and wakes nobody.

use std::fs::File;
use std::io;

use memmap2::MmapMut;
use rustix::fs::{MemfdFlags, memfd_create};

/// What stands there while the loop sleeps, and would wake for anything.
pub const ASLEEP: u8 = b'Z';
const AWAKE: u8 = 0;

/// The loop's end of it. Without one, as where there is no memory, it looks as if the loop never slept.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat(Option<MmapMut>);

impl Heartbeat {
    /// One that says *awake*, and the file to read it from.
    #[expect(unsafe_code, reason = "a mapping of a file")]
    pub(crate) fn new() -> io::Result<(Self, File)> {
        let file = File::from(memfd_create("entropool-beat", MemfdFlags::CLOEXEC)?);
        file.set_len(1)?;
        // SAFETY: the file was just made and has no name. It goes to whoever started this process and to nobody else,
        // which only reads it: nobody shortens it, and nothing but this mapping writes to it.
        let map = unsafe { MmapMut::map_mut(&file) }?;
        Ok((Self(Some(map)), file))
    }

    /// From now on the loop sleeps, or does not.
    pub(crate) fn sleeps(&mut self, sleeps: bool) {
        if let Some(byte) = self.0.as_mut().and_then(|map| map.first_mut()) {
            *byte = if sleeps { ASLEEP } else { AWAKE };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn whoever_has_the_file_sees_whether_the_loop_sleeps() {
        let (mut beat, file) = Heartbeat::new().unwrap();
        let seen = || {
            let mut byte = [1];
            file.read_exact_at(&mut byte, 0).unwrap();
            byte[0]
        };
        assert_eq!(seen(), AWAKE);
        for (sleeps, byte) in [(true, ASLEEP), (false, AWAKE), (true, ASLEEP)] {
            beat.sleeps(sleeps);
            assert_eq!(seen(), byte);
        }
    }

    #[test]
    fn a_loop_that_nobody_looks_at_needs_none() {
        Heartbeat::default().sleeps(true);
    }
}
