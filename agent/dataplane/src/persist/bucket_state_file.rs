//! The state file: the state of its predecessor that a worker needs when it starts after a crash.
//!
//! The checkpoint lists the attached VMs; this file has the levels of their buckets and whether each may be served
//! unsolicited, as of the last batch. The loop writes it through a mapping, without a system call, so that it survives
//! a process that is killed; a power failure loses it, and with it all connections.
//!
//! A start reads the predecessor's file, fills a new one, and replaces the old one once the new one is complete.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use htb::{BucketLevels, Tick};
use memmap2::MmapMut;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate};
use sha2::{Digest, Sha256};

use super::record::{BucketState, Decoded, HALF, RecordHeader, RecordOwner, SIZE, decode};

/// The first bytes of the file: its type and version.
const MAGIC: &[u8; 16] = b"entropool state\x01";
/// The boot id: levels from another boot refer to another clock.
const BOOT: std::ops::Range<usize> = 16..52;
const HEADER: usize = SIZE;
/// The most records: 2 MiB of memory. Further nodes are served too, but a crash forgets their debts.
const MAX_RECORDS: usize = 32_768;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Index of a record.
pub(crate) type RecordIndex = u32;

/// The name of a node, by which its record is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordName<'a> {
    Root { pool: &'a str },
    Class { pool: &'a str, class: &'a str },
    Namespace { pool: &'a str, class: &'a str, namespace: &'a str },
    Vm { pool: &'a str, namespace: &'a str, id: &'a str },
}

impl RecordName<'_> {
    /// Names contain no NUL, so no two nodes have the same digest.
    pub(crate) fn owner(self) -> RecordOwner {
        let parts = match self {
            Self::Root { pool } => ["root", pool, "", ""],
            Self::Class { pool, class } => ["class", pool, class, ""],
            Self::Namespace { pool, class, namespace } => ["namespace", pool, class, namespace],
            Self::Vm { pool, namespace, id } => ["vm", pool, namespace, id],
        };
        let digest = Sha256::digest(parts.join("\0").as_bytes());
        digest.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
    }
}

/// What the predecessor saved of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// `None` if unknown: then its buckets are empty.
    pub(crate) levels: Option<(BucketLevels, Tick)>,
    pub(crate) unsolicited: bool,
}

/// The file. Without one, as on a full disk, everything works, but a crash forgets the debts.
#[derive(Debug, Default)]
pub(crate) struct BucketStateFile {
    map: Option<MmapMut>,
    /// Its path until it is published, and after.
    path: Option<(PathBuf, PathBuf)>,
    owners: Vec<RecordOwner>,
    free: Vec<RecordIndex>,
    recovered: HashMap<RecordOwner, Recovered>,
    /// A record cannot be read, so a node without a record may not be new.
    torn: bool,
}

impl BucketStateFile {
    /// Reads the predecessor's file at `path`, and creates a new one for this many nodes.
    pub(crate) fn open(path: &Path, nodes: usize) -> Self {
        let boot = fs::read(BOOT_ID).unwrap_or_default();
        let mut file = Self::default();
        file.load(&read(path).unwrap_or_default(), &boot);
        let new = path.with_file_name(".state.new");
        match create(&new, nodes.min(MAX_RECORDS), &boot) {
            Ok(map) => {
                file.map = Some(map);
                file.path = Some((new, path.to_owned()));
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "failed to create the state file; a crash will forget debts");
            }
        }
        file
    }

    /// Reads the predecessor's file again, now that the predecessor has stopped.
    pub(crate) fn reload(&mut self) {
        self.recovered = HashMap::new();
        self.torn = false;
        if let Some((_, path)) = &self.path {
            let bytes = read(path).unwrap_or_default();
            let boot = fs::read(BOOT_ID).unwrap_or_default();
            self.load(&bytes, &boot);
        }
    }

    fn load(&mut self, bytes: &[u8], boot: &[u8]) {
        let header =
            bytes.get(..HEADER).filter(|header| header.starts_with(MAGIC) && is_of_boot(header, boot));
        if header.is_none() {
            return;
        }
        for record in bytes[HEADER..].as_chunks().0 {
            match decode(record) {
                Decoded::Free => {}
                Decoded::Torn => self.torn = true,
                Decoded::Record(RecordHeader { owner, unsolicited }, state) => {
                    let levels = state.map(|BucketState { levels, at }| (levels, at));
                    self.recovered.insert(owner, Recovered { levels, unsolicited });
                }
            }
        }
    }

    /// What the predecessor saved of a node; `None` for a new node.
    pub(crate) fn recovered(&self, owner: RecordOwner) -> Option<Recovered> {
        let lost = self.torn.then_some(Recovered { levels: None, unsolicited: false });
        self.recovered.get(&owner).copied().or(lost)
    }

    /// Whether the predecessor is known to have served it.
    pub(crate) fn served_before(&self, owner: RecordOwner) -> bool {
        self.recovered.contains_key(&owner)
    }

    /// Replaces the predecessor's file, whose records are discarded.
    pub(crate) fn publish(&mut self) {
        if let Some((new, path)) = self.path.take()
            && let Err(error) = fs::rename(&new, &path)
        {
            tracing::warn!(path = %path.display(), %error, "failed to replace the state file; a crash will forget debts");
        }
        self.recovered = HashMap::new();
        self.torn = false;
    }

    /// Allocates a record for a node; `None` if the file is full.
    pub(crate) fn allocate(
        &mut self,
        owner: RecordOwner,
        levels: BucketLevels,
        unsolicited: bool,
        now: Tick,
    ) -> Option<RecordIndex> {
        let room = self.map.as_ref().map_or(0, |map| map.len() / SIZE - 1);
        let slot = self.free.pop().or_else(|| RecordIndex::try_from(self.owners.len()).ok())?;
        let at = slot as usize;
        if at >= room {
            return None;
        }
        if at == self.owners.len() {
            self.owners.push(0);
        }
        self.owners[at] = owner;
        self.save_levels(slot, levels, now);
        self.save_unsolicited(slot, unsolicited);
        Some(slot)
    }

    /// Saves the levels of a node's buckets.
    pub(crate) fn save_levels(&mut self, slot: RecordIndex, levels: BucketLevels, at: Tick) {
        let owner = self.owners[slot as usize];
        self.write(slot, HALF, &BucketState { levels, at }.encode(owner));
    }

    /// Saves whether a VM may be served unsolicited.
    pub(crate) fn save_unsolicited(&mut self, slot: RecordIndex, unsolicited: bool) {
        let owner = self.owners[slot as usize];
        self.write(slot, 0, &RecordHeader { owner, unsolicited }.encode());
    }

    /// Releases the record of a node that was removed.
    pub(crate) fn release(&mut self, slot: RecordIndex) {
        self.write(slot, 0, &[0; HALF]);
        self.write(slot, HALF, &[0; HALF]);
        self.free.push(slot);
    }

    fn write(&mut self, slot: RecordIndex, offset: usize, half: &[u8; HALF]) {
        let start = HEADER + slot as usize * SIZE + offset;
        if let Some(to) = self.map.as_mut().and_then(|map| map.get_mut(start..start + HALF)) {
            to.copy_from_slice(half);
        }
    }
}

impl Drop for BucketStateFile {
    fn drop(&mut self) {
        // Not published: the start failed, and the predecessor's file stays.
        if let Some((new, _)) = self.path.take() {
            let _ = fs::remove_file(new);
        }
    }
}

/// Reads a regular file, and no more of it than a state file can have: what is at the path may be a FIFO.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.take((HEADER + MAX_RECORDS * SIZE) as u64).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[expect(unsafe_code, reason = "a mapping of a file")]
fn create(path: &Path, nodes: usize, boot: &[u8]) -> io::Result<MmapMut> {
    // Left by a process that was killed before the rename. It is never mapped by another process.
    let _ = fs::remove_file(path);
    let file: File = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let length = HEADER + nodes * SIZE;
    // Allocated completely now: a page that cannot be allocated later would raise SIGBUS.
    fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
    // SAFETY: this process just created the file, for its owner alone and in its full length. It is never truncated: this
    // process does not, and others only read and rename it.
    let mut map = unsafe { MmapMut::map_mut(&file) }?;
    map[..MAGIC.len()].copy_from_slice(MAGIC);
    map[BOOT].iter_mut().zip(boot).for_each(|(to, byte)| *to = *byte);
    Ok(map)
}

fn is_of_boot(header: &[u8], boot: &[u8]) -> bool {
    boot.len() >= BOOT.len() && header[BOOT] == boot[..BOOT.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WEB: RecordName<'_> = RecordName::Vm { pool: "default", namespace: "shop", id: "web-1" };
    const LEVELS: BucketLevels = BucketLevels { tokens: -500, ctokens: 12 };

    fn written(path: &Path) -> BucketStateFile {
        let mut file = BucketStateFile::open(path, 4);
        file.allocate(RecordName::Root { pool: "default" }.owner(), BucketLevels::default(), true, Tick(1))
            .unwrap();
        file.allocate(WEB.owner(), LEVELS, true, Tick(7)).unwrap();
        file.publish();
        file
    }

    #[test]
    fn levels_survive_a_process_that_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut killed = written(&path);
        killed.save_levels(1, BucketLevels { tokens: -501, ..LEVELS }, Tick(8));
        killed.save_unsolicited(1, false);
        let next = BucketStateFile::open(&path, 4);
        let levels = Some((BucketLevels { tokens: -501, ..LEVELS }, Tick(8)));
        assert_eq!(next.recovered(WEB.owner()), Some(Recovered { levels, unsolicited: false }));
        assert_eq!(
            next.recovered(RecordName::Vm { pool: "default", namespace: "shop", id: "web-2" }.owner()),
            None
        );
    }

    #[test]
    fn a_start_that_fails_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(written(&path));
        drop(BucketStateFile::open(&path, 4));
        assert!(BucketStateFile::open(&path, 4).recovered(WEB.owner()).is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_torn_record_has_empty_buckets_and_permits_no_unsolicited_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(written(&path));
        let whole = fs::read(&path).unwrap();
        let record = HEADER + SIZE;
        for at in 0..SIZE {
            let mut bytes = whole.clone();
            bytes[record + at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let recovered = BucketStateFile::open(&path, 4).recovered(WEB.owner()).unwrap();
            assert_eq!(recovered, Recovered { levels: None, unsolicited: at >= HALF }, "byte {at}");
        }
    }

    #[test]
    fn a_file_of_another_version_or_boot_or_a_short_one_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(written(&path));
        let whole = fs::read(&path).unwrap();
        for at in [0, 15, BOOT.start, BOOT.end - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(BucketStateFile::open(&path, 4).recovered(WEB.owner()), None, "byte {at}");
        }
        for length in [0, 1, HEADER - 1, HEADER, HEADER + SIZE - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(BucketStateFile::open(&path, 4).recovered(WEB.owner()), None, "{length} bytes");
        }
    }

    #[test]
    fn a_full_file_and_no_file_are_no_errors() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = BucketStateFile::open(&dir.path().join("state"), 1);
        let allocate = |file: &mut BucketStateFile| file.allocate(WEB.owner(), LEVELS, true, Tick(1));
        assert_eq!((allocate(&mut file), allocate(&mut file)), (Some(0), None));
        file.release(0);
        assert_eq!(allocate(&mut file), Some(0));
        let mut none = BucketStateFile::open(&dir.path().join("no/such/dir/state"), 1);
        assert_eq!(allocate(&mut none), None);
        none.publish();
    }

    #[test]
    fn a_released_record_is_not_recovered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut file = written(&path);
        file.release(1);
        assert_eq!(BucketStateFile::open(&path, 4).recovered(WEB.owner()), None);
    }

    /// A file of the first version, from a host whose boot id was all fives: the header, a pool's root, web-1, and a record
    /// with flags of a later version. Committed, not edited.
    const GOLDEN: &str = include_str!("golden.v1.hex");

    fn golden() -> Vec<u8> {
        let digits: Vec<_> = GOLDEN.bytes().filter(u8::is_ascii_hexdigit).collect();
        let (pairs, []) = digits.as_chunks::<2>() else { panic!("half a byte") };
        let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.iter().map(byte).collect()
    }

    #[test]
    fn what_is_no_state_file_is_not_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        BucketStateFile::open(&path, 4).publish();
        assert!(fs::metadata(&path).unwrap().is_file());
        File::options().write(true).open(&path).unwrap().set_len(6 << 30).unwrap();
        assert_eq!(read(&path).unwrap().len(), HEADER + MAX_RECORDS * SIZE);
    }

    #[test]
    fn a_file_of_the_first_version_can_be_read() {
        let mut file = BucketStateFile::default();
        file.load(&golden(), &[b'5'; 36]);
        let of = |levels: BucketLevels, at, unsolicited| {
            Some(Recovered { levels: Some((levels, Tick(at))), unsolicited })
        };
        assert_eq!(
            file.recovered(RecordName::Root { pool: "default" }.owner()),
            of(BucketLevels::default(), 1, true)
        );
        assert_eq!(file.recovered(WEB.owner()), of(LEVELS, 7, true));
        let later = RecordName::Class { pool: "default", class: "later" };
        assert_eq!(file.recovered(later.owner()), of(LEVELS, 8, true), "unknown flags are ignored");
        assert!(!file.torn);
    }
}
