//! The state file: what a worker that starts after a crash must know of the one before it, in memory that both map.
//!
//! The checkpoint says who was attached; this says what their buckets held and who may be served unsolicited, as of the
//! last batch. The loop writes it as it writes any memory, without a system call, so a process that is killed leaves
//! it as it was; a host that loses power loses it, and all connections with it.
//!
//! A start reads the file of the process before, fills a new one, and puts that in its place once it is complete.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use htb::{BucketLevels, Tick};
use memmap2::MmapMut;
use rustix::fs::{FallocateFlags, fallocate};
use sha2::{Digest, Sha256};

use super::record::{BucketState, Found, HALF, RecordHeader, RecordOwner, SIZE, decode};

/// The first bytes of the file: what it is, and which layout it has.
const MAGIC: &[u8; 16] = b"entropool state\x01";
/// Where the id of the running kernel stands: levels of another boot are of another clock.
const BOOT: std::ops::Range<usize> = 16..52;
const HEADER: usize = SIZE;
/// Records at most: 2 MiB of memory. Nodes beyond are served as well; only a crash forgets their debts.
const MOST: usize = 32_768;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A place in the file.
pub(crate) type Slot = u32;

/// What a node is called. Its record is found by that.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RecordName<'a> {
    Root { pool: &'a str },
    Class { pool: &'a str, class: &'a str },
    Namespace { pool: &'a str, class: &'a str, namespace: &'a str },
    Vm { pool: &'a str, namespace: &'a str, id: &'a str },
}

impl RecordName<'_> {
    /// Names cannot hold a NUL, so no two nodes are spelled the same.
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

/// What is known of a node from the time before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// `None`: it is not known what its buckets held, and so they hold nothing.
    pub(crate) held: Option<(BucketLevels, Tick)>,
    pub(crate) unsolicited: bool,
}

/// The file. Without one, as on a disk that is full, all goes on, and a crash forgets the debts.
#[derive(Debug, Default)]
pub(crate) struct CrashState {
    map: Option<MmapMut>,
    /// Its name while it is being filled, and then.
    path: Option<(PathBuf, PathBuf)>,
    owners: Vec<RecordOwner>,
    free: Vec<Slot>,
    before: HashMap<RecordOwner, Recovered>,
    /// Somebody's record cannot be read, so nobody without one can be told from a newcomer.
    torn: bool,
}

impl CrashState {
    /// The file to be at `path`, for so many nodes, and what the one there now says.
    pub(crate) fn open(path: &Path, nodes: usize) -> Self {
        let boot = fs::read(BOOT_ID).unwrap_or_default();
        let mut file = Self::default();
        file.recall(&fs::read(path).unwrap_or_default(), &boot);
        let new = path.with_file_name(".state.new");
        match create(&new, nodes.min(MOST), &boot) {
            Ok(map) => (file.map, file.path) = (Some(map), Some((new, path.to_owned()))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no state file: a crash forgets debts");
            }
        }
        file
    }

    /// Reads anew what the process before noted, since that has stopped by now.
    pub(crate) fn recall_again(&mut self) {
        (self.before, self.torn) = (HashMap::new(), false);
        if let Some((_, path)) = &self.path {
            let (bytes, boot) = (fs::read(path).unwrap_or_default(), fs::read(BOOT_ID).unwrap_or_default());
            self.recall(&bytes, &boot);
        }
    }

    fn recall(&mut self, bytes: &[u8], boot: &[u8]) {
        let header = bytes.get(..HEADER).filter(|header| header.starts_with(MAGIC) && of_boot(header, boot));
        if header.is_none() {
            return;
        }
        for record in bytes[HEADER..].as_chunks().0 {
            match decode(record) {
                Found::Free => {}
                Found::Torn => self.torn = true,
                Found::Of(RecordHeader { owner, unsolicited }, held) => {
                    let held = held.map(|BucketState { levels, at }| (levels, at));
                    self.before.insert(owner, Recovered { held, unsolicited });
                }
            }
        }
    }

    /// What the process before knew of a node; `None` for a newcomer.
    pub(crate) fn known(&self, owner: RecordOwner) -> Option<Recovered> {
        let lost = self.torn.then_some(Recovered { held: None, unsolicited: false });
        self.before.get(&owner).copied().or(lost)
    }

    /// Whether the process before is known to have served it.
    pub(crate) fn served_before(&self, owner: RecordOwner) -> bool {
        self.before.contains_key(&owner)
    }

    /// Puts the file in the place of the one before it, which then is forgotten.
    pub(crate) fn publish(&mut self) {
        if let Some((new, path)) = self.path.take()
            && let Err(error) = fs::rename(&new, &path)
        {
            tracing::warn!(path = %path.display(), %error, "no state file: a crash forgets debts");
        }
        (self.before, self.torn) = (HashMap::new(), false);
    }

    /// Gives a node its record; `None` where there is no room.
    pub(crate) fn claim(
        &mut self,
        owner: RecordOwner,
        levels: BucketLevels,
        unsolicited: bool,
        now: Tick,
    ) -> Option<Slot> {
        let room = self.map.as_ref().map_or(0, |map| map.len() / SIZE - 1);
        let slot = self.free.pop().or_else(|| Slot::try_from(self.owners.len()).ok())?;
        let at = slot as usize;
        if at >= room {
            return None;
        }
        if at == self.owners.len() {
            self.owners.push(0);
        }
        self.owners[at] = owner;
        self.hold(slot, levels, now);
        self.permit(slot, unsolicited);
        Some(slot)
    }

    /// Notes what a node's buckets hold.
    pub(crate) fn hold(&mut self, slot: Slot, levels: BucketLevels, at: Tick) {
        let owner = self.owners[slot as usize];
        self.write(slot, HALF, &BucketState { levels, at }.encode(owner));
    }

    /// Notes whether a VM may be served unsolicited.
    pub(crate) fn permit(&mut self, slot: Slot, unsolicited: bool) {
        let owner = self.owners[slot as usize];
        self.write(slot, 0, &RecordHeader { owner, unsolicited }.encode());
    }

    /// Takes the record of a node that is gone.
    pub(crate) fn release(&mut self, slot: Slot) {
        self.write(slot, 0, &[0; HALF]);
        self.write(slot, HALF, &[0; HALF]);
        self.free.push(slot);
    }

    fn write(&mut self, slot: Slot, offset: usize, half: &[u8; HALF]) {
        let start = HEADER + slot as usize * SIZE + offset;
        if let Some(to) = self.map.as_mut().and_then(|map| map.get_mut(start..start + HALF)) {
            to.copy_from_slice(half);
        }
    }
}

impl Drop for CrashState {
    fn drop(&mut self) {
        // A start that failed leaves the file of the process before.
        let _ = self.path.take().map(|(new, _)| fs::remove_file(new));
    }
}

#[expect(unsafe_code, reason = "a mapping of a file")]
fn create(path: &Path, nodes: usize, boot: &[u8]) -> io::Result<MmapMut> {
    // Left by a process that died between this and its rename. Never a file that somebody else has mapped.
    let _ = fs::remove_file(path);
    let file: File = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let length = HEADER + nodes * SIZE;
    // All of it at once: a page that cannot be had later would be a signal and the end.
    fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
    // SAFETY: the file was just made by this process, for its owner alone, and has its full length. Nobody shortens
    // it: this process does not, and others only read it and rename it.
    let mut map = unsafe { MmapMut::map_mut(&file) }?;
    map[..MAGIC.len()].copy_from_slice(MAGIC);
    map[BOOT].iter_mut().zip(boot).for_each(|(to, byte)| *to = *byte);
    Ok(map)
}

fn of_boot(header: &[u8], boot: &[u8]) -> bool {
    boot.len() >= BOOT.len() && header[BOOT] == boot[..BOOT.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WEB: RecordName<'_> = RecordName::Vm { pool: "default", namespace: "shop", id: "web-1" };
    const LEVELS: BucketLevels = BucketLevels { tokens: -500, ctokens: 12 };

    fn written(path: &Path) -> CrashState {
        let mut file = CrashState::open(path, 4);
        file.claim(RecordName::Root { pool: "default" }.owner(), BucketLevels::default(), true, Tick(1))
            .unwrap();
        file.claim(WEB.owner(), LEVELS, true, Tick(7)).unwrap();
        file.publish();
        file
    }

    #[test]
    fn the_next_process_knows_what_was_held_also_of_one_that_was_killed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut killed = written(&path);
        killed.hold(1, BucketLevels { tokens: -501, ..LEVELS }, Tick(8));
        killed.permit(1, false);
        let next = CrashState::open(&path, 4);
        let held = Some((BucketLevels { tokens: -501, ..LEVELS }, Tick(8)));
        assert_eq!(next.known(WEB.owner()), Some(Recovered { held, unsolicited: false }));
        assert_eq!(
            next.known(RecordName::Vm { pool: "default", namespace: "shop", id: "web-2" }.owner()),
            None
        );
    }

    #[test]
    fn a_start_that_fails_leaves_the_file_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(written(&path));
        drop(CrashState::open(&path, 4));
        assert!(CrashState::open(&path, 4).known(WEB.owner()).is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_torn_record_is_charged_in_full_and_never_lets_anybody_be_served_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(written(&path));
        let whole = fs::read(&path).unwrap();
        let record = HEADER + SIZE;
        for at in 0..SIZE {
            let mut bytes = whole.clone();
            bytes[record + at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let known = CrashState::open(&path, 4).known(WEB.owner()).unwrap();
            assert_eq!(known, Recovered { held: None, unsolicited: at >= HALF }, "byte {at}");
        }
    }

    #[test]
    fn a_file_of_another_layout_or_boot_or_none_at_all_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(written(&path));
        let whole = fs::read(&path).unwrap();
        for at in [0, 15, BOOT.start, BOOT.end - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(CrashState::open(&path, 4).known(WEB.owner()), None, "byte {at}");
        }
        for length in [0, 1, HEADER - 1, HEADER, HEADER + SIZE - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(CrashState::open(&path, 4).known(WEB.owner()), None, "{length} bytes");
        }
    }

    #[test]
    fn a_full_file_and_no_file_refuse_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CrashState::open(&dir.path().join("state"), 1);
        let claim = |file: &mut CrashState| file.claim(WEB.owner(), LEVELS, true, Tick(1));
        assert_eq!((claim(&mut file), claim(&mut file)), (Some(0), None));
        file.release(0);
        assert_eq!(claim(&mut file), Some(0));
        let mut none = CrashState::open(&dir.path().join("no/such/dir/state"), 1);
        assert_eq!(claim(&mut none), None);
        none.publish();
    }

    #[test]
    fn a_record_that_was_given_back_is_nobody_s() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut file = written(&path);
        file.release(1);
        assert_eq!(CrashState::open(&path, 4).known(WEB.owner()), None);
    }

    /// What the first version wrote, on a host whose boot id was all fives: the header, a pool's root, web-1, and a record
    /// whose flags mean something yet to come. Committed, not edited.
    const GOLDEN: &str = include_str!("golden.v1.hex");

    fn golden() -> Vec<u8> {
        let digits: Vec<_> = GOLDEN.bytes().filter(u8::is_ascii_hexdigit).collect();
        let (pairs, []) = digits.as_chunks::<2>() else { panic!("half a byte") };
        let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.iter().map(byte).collect()
    }

    #[test]
    fn the_first_version_s_file_is_read_as_it_was_meant() {
        let mut file = CrashState::default();
        file.recall(&golden(), &[b'5'; 36]);
        let of = |held: BucketLevels, at, unsolicited| {
            Some(Recovered { held: Some((held, Tick(at))), unsolicited })
        };
        assert_eq!(
            file.known(RecordName::Root { pool: "default" }.owner()),
            of(BucketLevels::default(), 1, true)
        );
        assert_eq!(file.known(WEB.owner()), of(LEVELS, 7, true));
        let later = RecordName::Class { pool: "default", class: "later" };
        assert_eq!(
            file.known(later.owner()),
            of(LEVELS, 8, true),
            "flags that it does not know are passed over"
        );
        assert!(!file.torn);
    }
}
