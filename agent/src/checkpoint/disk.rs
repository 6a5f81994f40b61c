//! What is asked of a disk, a system call at a time.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;

/// One directory and the files in it, by plain names. Each method is one step that may fail by itself, or be the
/// last one before a power cut.
pub trait Disk: Debug + Send + 'static {
    /// A file that is being written. Dropped, it is closed.
    type File;

    /// The whole path of a file, for sentences.
    fn path(&self, name: &str) -> PathBuf;

    /// Makes the directory where there is none.
    fn make_dir(&self) -> io::Result<()>;

    /// A whole file, or of a longer one the first `most` bytes and at least one more; `None` where there is none.
    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>>;

    /// An empty file, in place of one that may be there.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Appends some of `bytes`, and says how many.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when what was written into the file is on the medium.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, also where that is taken: the other file is gone, and at no instant neither of
    /// them is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the names are on the medium.
    fn sync_dir(&self) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
}
