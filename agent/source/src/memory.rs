//! Memory for secrets: private pages that are not swapped, not dumped, not inherited, and wiped when they are freed.
//! The only file of the crate that maps memory.

use std::ptr::NonNull;
use std::{io, slice};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

/// The kernel refused to map memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot map {len} bytes for random data")]
pub struct MapError {
    len: usize,
    source: io::Error,
}

impl MapError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        "MapMemory"
    }
}

/// A private anonymous mapping, zero at first, owned by this value alone.
pub(crate) struct Memory {
    start: NonNull<u8>,
    len: usize,
    locked: bool,
}

#[expect(unsafe_code, reason = "the mapping has one owner, as a Box has, and no tie to a thread")]
// SAFETY: `start` is reached only through `&self` and `&mut self`, so the usual borrow rules keep threads
// apart; mapping, locking and unmapping work from any thread of the process.
unsafe impl Send for Memory {}

impl Memory {
    /// Maps `len` bytes, at least one.
    #[expect(unsafe_code, reason = "mapping memory")]
    pub(crate) fn map(len: usize) -> Result<Self, MapError> {
        let len = len.max(1);
        // SAFETY: a null hint lets the kernel choose a free range, so no existing object is replaced.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }
        .map_err(|errno| MapError { len, source: errno.into() })?;
        let start =
            NonNull::new(start.cast()).expect("the kernel maps nothing at address zero unless asked to");
        let mut memory = Self { start, len, locked: false };
        memory.locked = memory.protect().is_ok();
        Ok(memory)
    }

    /// Core dumps leave it out, a fork finds zeros, it is never swapped. The last needs `RLIMIT_MEMLOCK`; each
    /// is tried even if another fails.
    #[expect(unsafe_code, reason = "advice about the mapping")]
    fn protect(&mut self) -> rustix::io::Result<()> {
        let address = self.start.as_ptr().cast();
        // SAFETY: the range is our own live mapping. The advice concerns core dumps, not its content.
        let dump = unsafe { madvise(address, self.len, Advice::LinuxDontDump) };
        // SAFETY: likewise; the content changes only in the child of a fork, which is another address space.
        let fork = unsafe { madvise(address, self.len, Advice::LinuxWipeOnFork) };
        // SAFETY: the range is our own live mapping; locking it changes neither its content nor its protection.
        let swap = unsafe { mlock(address, self.len) };
        dump.and(fork).and(swap)
    }

    /// Whether all protections were granted.
    pub(crate) fn locked(&self) -> bool {
        self.locked
    }

    #[expect(unsafe_code, reason = "a view of the mapping")]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `start` is valid for `len` bytes, aligned for u8, initialised (anonymous pages are zero),
        // and borrowed no longer than `self`, through which nothing can write during the borrow.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    #[expect(unsafe_code, reason = "a view of the mapping")]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only view.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Memory {
    #[expect(unsafe_code, reason = "unmapping memory")]
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        // SAFETY: the range is our own mapping, no view of it outlives `self`, and it is not used again.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "our own mapping can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The kernel's two-letter flags of the mapping that begins at or spans `address`.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|word| word.split_once('-'));
            let range = range.and_then(|(start, end)| Some((hex(start)?, hex(end)?)));
            if let Some((start, end)) = range {
                inside = (start..end).contains(&address);
            }
            if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags: ")) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping at {address:#x}");
    }

    fn hex(text: &str) -> Option<usize> {
        usize::from_str_radix(text, 16).ok()
    }

    #[test]
    fn the_kernel_agrees_that_the_memory_is_protected() {
        let memory = Memory::map(4096).unwrap();
        let flags = flags(memory.start.as_ptr() as usize);
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        assert!(has("dd"), "left out of core dumps: {flags:?}");
        assert!(has("wf"), "wiped in the child of a fork: {flags:?}");
        assert_eq!(has("lo"), memory.locked(), "locked: {flags:?}");
    }

    #[test]
    fn new_memory_is_zero() {
        assert_eq!(Memory::map(4096).unwrap().bytes(), [0; 4096]);
    }

    #[test]
    fn an_impossible_size_is_an_error_with_its_cause() {
        let error = Memory::map(usize::MAX / 2).err().unwrap();
        assert_eq!(error.to_string(), format!("cannot map {} bytes for random data", usize::MAX / 2));
        assert!(std::error::Error::source(&error).is_some());
    }
}
