//! The disk below a checkpoint, one system call per method, so that tests can fail each of them.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open};

/// For the owner alone: the files name the VMs, and their contents decide what is served.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_MODE: u32 = 0o700;
/// Follows no link, and does not block on a file that is not regular.
const OPEN_FLAGS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// One directory and its files, by name. Each method may fail by itself, or be the last one before a power cut.
pub trait Disk: Debug + Send + 'static {
    /// A file that is being written. It is closed when it is dropped.
    type File;

    /// The path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;

    /// Makes the directory if it does not exist.
    fn make_dir(&self) -> io::Result<()>;

    /// Reads a file. Of a file with more than `limit` bytes, it reads at least one byte more than that. `None` where there
    /// is no file.
    fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>>;

    /// Creates an empty file, or truncates an existing one.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Appends some of `bytes`. Returns how many.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when the file's contents are on the medium.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Renames a file atomically, over an existing one if need be.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the names are on the medium.
    fn sync_dir(&self) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A directory of the host, by its path: it may be made, removed or become writable while the agent runs.
#[derive(Clone, Debug)]
pub struct HostDisk {
    dir: PathBuf,
}

impl HostDisk {
    /// The directory need not exist. One that exists keeps its mode.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn open(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let file = File::from(open(self.path(name), flags | OPEN_FLAGS, FILE_MODE)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
    }
}

impl Disk for HostDisk {
    type File = File;

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make_dir(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.dir)
    }

    fn read(&self, name: &str, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(name, OFlags::RDONLY) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        // One more, to tell a file that is too long from one that just fits.
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        File::from(open(&self.dir, flags, Mode::empty())?).sync_all()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }
}
