//! The session file: what each connection is owed, in memory that outlives this process.
//!
//! The process that started this one keeps the file and copies of the sockets ([`SocketStore`](crate::SocketStore)). If this
//! process is killed, the next one goes on where it stopped. A client that has only ever sent 0x02 counts bytes and nothing
//! else, so one number is its whole session. The number is stored after each read and each write, without a system call:
//!
//! - Killed after a read and before the number is stored, the process leaves what it has read in the file. Bytes that no
//!   read leaves there show where that ends.
//! - Killed after a write and before the number is stored, it leaves a number that is too large: the client is sent one
//!   write too many. A client that gets too few would wait for ever.
//!
//! Any other client is closed, unless it is owed nothing.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::atomic::{Ordering, compiler_fence};

use egd::{Demand, Session, SessionCounters, SessionSnapshot};
use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};

/// The file's first bytes: its type and version.
const MAGIC: &[u8; 16] = b"entropool sess\x01\0";
/// Where the file says which connection is being read: the index of its record, plus one.
const READING: std::ops::Range<usize> = 64..68;
/// Where the bytes that are read arrive.
const BUFFER: usize = 4096;
/// Where the records begin: whole pages, since they are mapped by themselves.
const RECORDS: usize = 3 * 4096;
const RECORD: usize = size_of::<u64>();
/// The most bytes of a read. One more byte is for a read that begins at the second byte of a command.
pub(crate) const READ_CAPACITY: usize = RECORDS - BUFFER - 1;
/// The code of a 0x02.
const READ_BLOCKING: u8 = 2;
/// What is where no byte was read: no command's code, at even positions, and no count that a client sends, at odd ones.
const NOTHING_READ: [u8; 2] = [0xff, 0];

const OWED: u64 = (1 << 40) - 1;
const HALF: u64 = 1 << 40;
const OTHER: u64 = 1 << 41;
const SILENT: u64 = 1 << 42;
const OPEN: u64 = 1 << 43;
const CHECKED: u32 = 48;

/// The most records: 256 KiB of memory. The connections beyond end with this process.
const MAX_RECORDS: usize = 32_768;

/// Index of a connection's record, and the id of its socket in the store.
pub(crate) type SessionIndex = u32;

/// A session that can be continued from these values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    /// Bytes requested by 0x02 and not written yet.
    pub(crate) owed: u64,
    /// The code of a 0x02 has been read, its count has not.
    pub(crate) half: bool,
    /// Another command was received once.
    pub(crate) other_commands: bool,
    /// Nothing was received yet.
    pub(crate) silent: bool,
}

impl SessionRecord {
    /// `None` if its requests and replies are more than a number.
    pub(crate) fn of(session: &Session) -> Option<Self> {
        let owed = session.owed().saturating_add(session.random_pending());
        let half = session.partial_command();
        let other_commands = session.other_commands();
        let idle = session.demand() == Demand::None && session.next_reply().is_none() && !half;
        let silent = !half && session.counters() == SessionCounters::default();
        (idle || !other_commands).then_some(Self { owed, half, other_commands, silent })
    }

    fn encode(self) -> u64 {
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.half, HALF) | flag(self.other_commands, OTHER) | flag(self.silent, SILENT);
        let value = self.owed.min(OWED) | flags | OPEN;
        value | check(value) << CHECKED
    }

    fn decode(word: u64) -> Option<Self> {
        let value = word & ((1 << CHECKED) - 1);
        let valid = value & OPEN != 0 && word >> CHECKED == check(value);
        let set = |flag| value & flag != 0;
        let record =
            Self { owed: value & OWED, half: set(HALF), other_commands: set(OTHER), silent: set(SILENT) };
        valid.then_some(record)
    }

    /// With what was read and is not in it yet. `None` if that is more than 0x02, or where it ends is not known.
    fn receive(mut self, read: &[u8]) -> Option<Self> {
        for (at, byte) in read.iter().enumerate().skip(usize::from(self.half)) {
            match (at % 2, *byte) {
                (0, byte) if byte == NOTHING_READ[0] => return Some(self),
                (0, READ_BLOCKING) => (self.half, self.silent) = (true, false),
                (0, _) => return None,
                (_, count) if count == NOTHING_READ[1] => {
                    // Either the count was not read, or it is zero, which no client that we know sends.
                    let began_half = at == 1 && read[0] == NOTHING_READ[0];
                    return began_half.then_some(self);
                }
                (_, count) => (self.half, self.owed) = (false, self.owed + u64::from(count)),
            }
        }
        Some(self)
    }

    /// The session that it describes.
    fn snapshot(self) -> SessionSnapshot {
        let owed = self.owed.min(egd::MAX_OWED);
        SessionSnapshot {
            partial: if self.half { vec![READ_BLOCKING] } else { Vec::new() },
            requests: if owed > 0 { vec![(Demand::Blocking(owed), 1)] } else { Vec::new() },
            replies: Vec::new(),
            // How many requests there were is not stored; that there were any tells what the client is.
            counters: SessionCounters {
                blocking: u64::from(!self.silent && !self.half),
                ..SessionCounters::default()
            },
            other_commands: self.other_commands,
        }
    }
}

fn check(value: u64) -> u64 {
    // The golden ratio spreads each bit over the upper ones.
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> CHECKED) & 0xffff
}

/// The records of this process's connections.
#[derive(Debug)]
pub(crate) struct SessionFile {
    file: File,
    records: MmapMut,
    free: Vec<SessionIndex>,
    /// The first record that was never used.
    next: SessionIndex,
}

impl SessionFile {
    /// A new file for this many sockets.
    pub(crate) fn create(sockets: usize) -> io::Result<Self> {
        let file =
            File::from(memfd_create("entropool-sessions", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        let length = RECORDS + sockets.clamp(1, MAX_RECORDS) * RECORD;
        // Allocated completely now: a page that cannot be allocated later would raise SIGBUS.
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mut head = map(&file, 0, RECORDS)?;
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        fill(&mut head[BUFFER..]);
        Self::open(file, &[])
    }

    /// The file of a process that has died, with the records that are in use.
    pub(crate) fn adopt(file: File, used: &[SessionIndex]) -> io::Result<Self> {
        let left = LeftSessions::read(&file)?;
        let mut adopted = Self::open(file, used)?;
        // This process may die before it has stored anything.
        if let Some(index) = left.reading() {
            adopted.write(index, left.record(index).map_or(0, SessionRecord::encode));
        }
        let LeftSessions { mut head, .. } = left;
        head[READING].fill(0);
        compiler_fence(Ordering::SeqCst);
        fill(&mut head[BUFFER..]);
        Ok(adopted)
    }

    fn open(file: File, used: &[SessionIndex]) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let records = map(&file, RECORDS, length.saturating_sub(RECORDS))?;
        let next = used.iter().max().map_or(0, |last| last + 1);
        let used: HashSet<_> = used.iter().copied().collect();
        let free = (0..next).filter(|index| !used.contains(index)).collect();
        Ok(Self { file, records, free, next })
    }

    /// To be kept by the process that started this one.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where this process is to read into.
    pub(crate) fn read_buffer(&self) -> io::Result<ReadBuffer> {
        Ok(ReadBuffer { map: map(&self.file, 0, RECORDS)?, filled: 0 })
    }

    /// `None` if all records are used.
    pub(crate) fn allocate(&mut self) -> Option<SessionIndex> {
        if let Some(index) = self.free.pop() {
            return Some(index);
        }
        let room = self.records.len() / RECORD;
        let index = self.next;
        ((index as usize) < room).then(|| self.next += 1)?;
        Some(index)
    }

    pub(crate) fn release(&mut self, index: SessionIndex) {
        self.write(index, 0);
        self.free.push(index);
    }

    /// Stores what a session has become.
    pub(crate) fn save(&mut self, index: SessionIndex, session: &Session) {
        self.write(index, SessionRecord::of(session).map_or(0, SessionRecord::encode));
    }

    fn write(&mut self, index: SessionIndex, word: u64) {
        let at = index as usize * RECORD;
        if let Some(record) = self.records.get_mut(at..at + RECORD) {
            record.copy_from_slice(&word.to_ne_bytes());
        }
        // A kill sees the stores of this thread in the order in which the compiler leaves them.
        compiler_fence(Ordering::SeqCst);
    }
}

/// Where bytes are read to, so that they are not lost with this process.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    map: MmapMut,
    /// How far it may not be as [`NOTHING_READ`] says.
    filled: usize,
}

impl ReadBuffer {
    /// One that nobody keeps.
    pub(crate) fn anonymous() -> io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(RECORDS)?, filled: 0 })
    }

    /// The place for the next read of a connection, which has the first byte of a command already if it is `half`.
    pub(crate) fn begin(&mut self, index: Option<SessionIndex>, half: bool, budget: usize) -> &mut [u8] {
        let start = BUFFER + usize::from(half);
        if let Some(index) = index {
            self.map[READING].copy_from_slice(&(index + 1).to_ne_bytes());
            compiler_fence(Ordering::SeqCst);
        }
        let end = start + budget.min(READ_CAPACITY);
        self.filled = end - BUFFER;
        &mut self.map[start..end]
    }

    /// So many bytes were read, and the connection's record says so; `None`: an unknown number.
    pub(crate) fn end(&mut self, read: Option<usize>) {
        compiler_fence(Ordering::SeqCst);
        self.map[READING].fill(0);
        compiler_fence(Ordering::SeqCst);
        let filled = read.map_or(self.filled, |read| (read + 1).min(self.filled));
        fill(&mut self.map[BUFFER..BUFFER + filled]);
    }
}

fn fill(buffer: &mut [u8]) {
    for (at, byte) in buffer.iter_mut().enumerate() {
        *byte = NOTHING_READ[at % 2];
    }
}

/// What a process that died has left of its sessions.
#[derive(Debug)]
pub(crate) struct LeftSessions {
    head: MmapMut,
    records: MmapMut,
}

/// A session that goes on.
#[derive(Debug)]
pub(crate) struct LeftSession {
    pub(crate) snapshot: SessionSnapshot,
    pub(crate) silent: bool,
}

impl LeftSessions {
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let head = map(file, 0, RECORDS)?;
        if !head.starts_with(MAGIC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no session file"));
        }
        Ok(Self { head, records: map(file, RECORDS, length.saturating_sub(RECORDS))? })
    }

    /// `None` if the connection cannot be continued.
    pub(crate) fn session(&self, index: SessionIndex) -> Option<LeftSession> {
        let record = self.record(index)?;
        Some(LeftSession { snapshot: record.snapshot(), silent: record.silent })
    }

    fn record(&self, index: SessionIndex) -> Option<SessionRecord> {
        let (words, _) = self.records.as_chunks();
        let record = SessionRecord::decode(u64::from_ne_bytes(*words.get(index as usize)?))?;
        if self.reading() == Some(index) { record.receive(&self.head[BUFFER..]) } else { Some(record) }
    }

    /// The connection that was being read.
    fn reading(&self) -> Option<SessionIndex> {
        let reading = self.head[READING].first_chunk().copied().map(u32::from_ne_bytes);
        reading.and_then(|index| index.checked_sub(1))
    }
}

#[expect(unsafe_code, reason = "a mapping of a file")]
fn map(file: &File, offset: usize, length: usize) -> io::Result<MmapMut> {
    if file.metadata()?.len() < (offset + length.max(1)) as u64 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the session file is too short"));
    }
    // SAFETY: the file has no name, and its seals keep its length. Who else maps it is the supervisor's next worker, and
    // only when this process has died. Where mappings of one process overlap, only one of them is in use.
    unsafe { MmapOptions::new().offset(offset as u64).len(length).map_mut(file) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session(input: &[u8]) -> Session {
        let mut session = Session::new();
        session.receive(input).unwrap();
        session
    }

    fn left(file: &SessionFile, index: SessionIndex) -> Option<SessionSnapshot> {
        LeftSessions::read(file.file()).unwrap().session(index).map(|left| left.snapshot)
    }

    fn owed(file: &SessionFile, index: SessionIndex) -> Option<u64> {
        left(file, index).map(|left| Session::restore(&left).unwrap().owed())
    }

    /// Reads `input` as a process does that is killed before it stores what the session has become.
    fn killed_after_reading(before: &[u8], input: &[u8]) -> Option<(u64, bool)> {
        let mut file = SessionFile::create(4).unwrap();
        let mut buffer = file.read_buffer().unwrap();
        let index = file.allocate().unwrap();
        let before = session(before);
        file.save(index, &before);
        buffer.begin(Some(index), before.partial_command(), 64)[..input.len()].copy_from_slice(input);
        let left = left(&file, index)?;
        let session = Session::restore(&left).unwrap();
        Some((session.owed(), session.partial_command()))
    }

    #[test]
    fn what_was_read_and_not_stored_is_owed() {
        assert_eq!(killed_after_reading(&[], &[]), Some((0, false)));
        assert_eq!(killed_after_reading(&[], &[2, 64]), Some((64, false)));
        assert_eq!(killed_after_reading(&[2, 64], &[2, 255, 2, 1]), Some((320, false)));
        assert_eq!(killed_after_reading(&[2], &[]), Some((0, true)), "half a command, and nothing more");
        assert_eq!(killed_after_reading(&[2], &[9]), Some((9, false)));
        assert_eq!(killed_after_reading(&[2], &[9, 2, 7]), Some((16, false)));
    }

    #[test]
    fn a_connection_is_not_continued_where_it_is_unknown_what_was_read() {
        assert_eq!(killed_after_reading(&[], &[2]), None, "the count was not read, or is zero");
        assert_eq!(killed_after_reading(&[2, 5], &[2, 6, 2]), None);
        assert_eq!(killed_after_reading(&[], &[1, 8]), None, "another command");
        assert_eq!(killed_after_reading(&[], &[2, 8, 0]), None);
    }

    #[test]
    fn a_read_that_was_stored_is_not_owed_twice() {
        let mut file = SessionFile::create(1).unwrap();
        let mut buffer = file.read_buffer().unwrap();
        let index = file.allocate().unwrap();
        let mut session = Session::new();
        for (input, sum) in [(&[2, 64, 2][..], 64), (&[1], 65), (&[2, 200, 2, 200], 465)] {
            let place = buffer.begin(Some(index), session.partial_command(), 64);
            place[..input.len()].copy_from_slice(input);
            session.receive(input).unwrap();
            file.save(index, &session);
            buffer.end(Some(input.len()));
            assert_eq!(owed(&file, index), Some(sum));
        }
        assert_eq!(buffer.map[BUFFER..BUFFER + 8], [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0]);
    }

    #[test]
    fn what_is_granted_and_not_written_is_owed_too() {
        let mut file = SessionFile::create(1).unwrap();
        let index = file.allocate().unwrap();
        let mut session = session(&[2, 100]);
        session.grant(60);
        file.save(index, &session);
        assert_eq!(owed(&file, index), Some(100));
        session.written(60);
        file.save(index, &session);
        assert_eq!(owed(&file, index), Some(40));
    }

    #[test]
    fn a_client_of_other_commands_goes_on_only_if_it_is_owed_nothing() {
        let mut file = SessionFile::create(1).unwrap();
        let index = file.allocate().unwrap();
        let mut session = session(&[0, 2, 5]);
        file.save(index, &session);
        assert_eq!(left(&file, index), None);
        session.answer_level(8);
        session.grant(5);
        session.written(9);
        file.save(index, &session);
        let left = left(&file, index).unwrap();
        assert!(left.other_commands && left.requests.is_empty());
    }

    #[test]
    fn a_client_that_was_silent_is_known_as_such() {
        let mut file = SessionFile::create(2).unwrap();
        let [one, two] = [session(&[]), session(&[2, 8])].map(|session| {
            let index = file.allocate().unwrap();
            file.save(index, &session);
            index
        });
        let left = LeftSessions::read(file.file()).unwrap();
        assert!(left.session(one).unwrap().silent && !left.session(two).unwrap().silent);
    }

    #[test]
    fn records_are_reused_and_there_are_no_more_than_fit() {
        let mut file = SessionFile::create(2).unwrap();
        assert_eq!([file.allocate(), file.allocate(), file.allocate()], [Some(0), Some(1), None]);
        file.save(0, &session(&[2, 9]));
        file.release(0);
        assert_eq!(left(&file, 0), None);
        assert_eq!(file.allocate(), Some(0));
        let again = file.file().try_clone().unwrap();
        let mut adopted = SessionFile::adopt(again, &[1]).unwrap();
        assert_eq!([adopted.allocate(), adopted.allocate()], [Some(0), None]);
    }

    #[test]
    fn a_damaged_record_is_no_session() {
        let mut file = SessionFile::create(1).unwrap();
        let index = file.allocate().unwrap();
        file.save(index, &session(&[2, 77]));
        for bit in 0..64 {
            file.records[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(left(&file, index), None, "bit {bit}");
            file.records[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(owed(&file, index), Some(77));
    }
}
