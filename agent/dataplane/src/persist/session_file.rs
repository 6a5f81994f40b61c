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

use egd::{Session, SessionSnapshot};
use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};

use super::read_buffer::{self, HEAD, ReadBuffer, SessionIndex};
use super::session_record::SessionRecord;

/// The file's first bytes: its type and version.
const MAGIC: &[u8; 16] = b"entropool sess\x01\0";
const RECORD: usize = size_of::<u64>();
/// The most records: 256 KiB of memory. The connections beyond end with this process.
const MAX_RECORDS: usize = 32_768;

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
        let length = HEAD + sockets.clamp(1, MAX_RECORDS) * RECORD;
        // Allocated completely now: a page that cannot be allocated later would raise SIGBUS.
        fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mut head = map(&file, 0, HEAD)?;
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        read_buffer::clear(&mut head);
        Self::open(file, &[])
    }

    /// The file of a process that has died, with the records that are in use.
    pub(crate) fn adopt(file: File, used: &[SessionIndex]) -> io::Result<Self> {
        let left = LeftSessions::read(&file)?;
        let mut adopted = Self::open(file, used)?;
        // This process may die before it has stored anything.
        if let Some(index) = read_buffer::reading(&left.head) {
            adopted.write(index, left.record(index).map_or(0, SessionRecord::encode));
        }
        let LeftSessions { mut head, .. } = left;
        read_buffer::clear(&mut head);
        Ok(adopted)
    }

    fn open(file: File, used: &[SessionIndex]) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let records = map(&file, HEAD, length.saturating_sub(HEAD))?;
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
        Ok(ReadBuffer::of(map(&self.file, 0, HEAD)?))
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
        let head = map(file, 0, HEAD)?;
        if !head.starts_with(MAGIC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no session file"));
        }
        Ok(Self { head, records: map(file, HEAD, length.saturating_sub(HEAD))? })
    }

    /// `None` if the connection cannot be continued.
    pub(crate) fn session(&self, index: SessionIndex) -> Option<LeftSession> {
        let record = self.record(index)?;
        Some(LeftSession { snapshot: record.snapshot(), silent: record.silent })
    }

    fn record(&self, index: SessionIndex) -> Option<SessionRecord> {
        let (words, _) = self.records.as_chunks();
        let record = SessionRecord::decode(u64::from_ne_bytes(*words.get(index as usize)?))?;
        if read_buffer::reading(&self.head) == Some(index) {
            record.receive(read_buffer::read_bytes(&self.head))
        } else {
            Some(record)
        }
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
        let left = LeftSessions::read(file.file()).unwrap();
        assert_eq!(read_buffer::read_bytes(&left.head)[..8], [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0]);
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
