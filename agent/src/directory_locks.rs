//! Locks on the directories of a daemon: no other daemon writes where this one does.
//!
//! Each directory has a file that is locked by `flock`. Such a lock belongs to the open file, and so to all processes that
//! share it: a worker, its supervisor, which keeps it while a worker is restarted, and the successor of a hand-over. The
//! file says who holds it, for the message to whom it is refused.

use std::fmt::{Display, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use dataplane::{Inode, inode};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::process::getppid;

use crate::directories::Directories;

/// No VM's directory has this name.
const FILE: &str = ".lock";
const FLAGS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);
/// What is read of a lock file.
const LIMIT: u64 = 8 * 1024;
/// How often, and how far apart, a lock is tried: a daemon that was killed may take a while to exit.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The locks that this process holds.
#[derive(Debug)]
pub(crate) struct DirectoryLocks {
    run_dir: PathBuf,
    held: Vec<DirectoryLock>,
    /// Lock files whose locks a predecessor holds.
    expected: Vec<PathBuf>,
}

#[derive(Debug)]
struct DirectoryLock {
    file: File,
    inode: Inode,
    /// The path of a file that this process has created, until the daemon has started.
    created: Option<PathBuf>,
    /// The supervisor of this process holds it too.
    supervised: bool,
}

/// Who holds a lock, as its file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct LockHolder {
    process: Option<String>,
    run_dir: Option<PathBuf>,
}

/// The result of one attempt.
enum Attempt {
    Locked(DirectoryLock),
    Held(LockHolder),
    /// The file was replaced meanwhile.
    Gone,
}

impl DirectoryLocks {
    /// Locks all directories of a daemon. `inherited` are the locks of the supervisor. With `takes_over`, the locks of a
    /// daemon that serves the same run directory are [adopted](Self::adopt) later. Returns a message if another daemon
    /// holds any.
    pub(crate) fn acquire(
        directories: &Directories,
        inherited: Vec<OwnedFd>,
        takes_over: bool,
    ) -> Result<Self, String> {
        let mut locks = Self { run_dir: directories.run.clone(), held: Vec::new(), expected: Vec::new() };
        locks.hold(inherited, true);
        let mut refused: Vec<(String, LockHolder)> = Vec::new();
        for (flag, dir) in directories.named() {
            let path = dir.join(FILE);
            // One that is no directory is reported by who prepares it.
            if locks.holds(&path) || !dir.is_dir() {
                continue;
            }
            match try_for_a_while(&path, takes_over) {
                Ok(Attempt::Locked(lock)) => locks.held.push(lock),
                Ok(Attempt::Held(holder)) if takes_over && holder.serves(&directories.run) => {
                    locks.expected.push(path);
                }
                Ok(Attempt::Held(holder)) => refused.push((format!("{} ({flag})", dir.display()), holder)),
                Ok(Attempt::Gone) => log_unlocked(dir, &"its lock file is replaced all the time"),
                // Where nothing can be written, nothing needs a lock.
                Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
                Err(error) => log_unlocked(dir, &error),
            }
        }
        if refused.is_empty() { Ok(locks) } else { Err(message(&directories.run, &refused)) }
    }

    /// The locks that a predecessor has sent: those of other directories are released.
    pub(crate) fn adopt(&mut self, received: Vec<OwnedFd>) {
        let own = self.held.len();
        self.hold(received, false);
        let received = self.held.split_off(own);
        for path in std::mem::take(&mut self.expected) {
            let found = fs::symlink_metadata(&path).map(|found| inode(&found)).ok();
            self.held.extend(
                received.iter().filter(|lock| Some(lock.inode) == found).filter_map(DirectoryLock::duplicate),
            );
            if self.holds(&path) {
                continue;
            }
            // A predecessor of an earlier version sends none.
            match attempt(&path) {
                Ok(Attempt::Locked(lock)) => self.held.push(lock),
                _ => {
                    log_unlocked(
                        path.parent().unwrap_or(&path),
                        &"the daemon before this one holds the lock",
                    );
                }
            }
        }
    }

    /// Writes into the lock files that this process holds them. Failing that, refusals name nobody.
    pub(crate) fn sign(&self) {
        let process = getppid().map_or_else(process::id, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        let text = format!("{process}\n{}\n", self.run_dir.display());
        for lock in &self.held {
            let path = format!("/proc/self/fd/{}", lock.file.as_raw_fd());
            let written = OpenOptions::new().write(true).truncate(true).open(path);
            let _ = written.and_then(|mut file| file.write_all(text.as_bytes()));
        }
    }

    /// The daemon has started: its lock files stay.
    pub(crate) fn keep(&mut self) {
        self.held.iter_mut().for_each(|lock| lock.created = None);
    }

    /// Duplicates for a successor.
    pub(crate) fn share(&self) -> io::Result<Vec<OwnedFd>> {
        self.held.iter().map(|lock| Ok(lock.file.try_clone()?.into())).collect()
    }

    /// Duplicates of those that the supervisor of this process does not hold yet.
    pub(crate) fn unsupervised(&mut self) -> io::Result<Vec<OwnedFd>> {
        let new = self.held.iter_mut().filter(|lock| !lock.supervised);
        new.map(|lock| {
            lock.supervised = true;
            Ok(lock.file.try_clone()?.into())
        })
        .collect()
    }

    /// Locks the directories that were removed and created again.
    pub(crate) fn renew(&mut self, directories: &Directories) {
        for (_, dir) in directories.named() {
            let path = dir.join(FILE);
            if !self.holds(&path)
                && let Ok(Attempt::Locked(mut lock)) = attempt(&path)
            {
                lock.created = None;
                self.held.push(lock);
            }
        }
        self.sign();
    }

    fn hold(&mut self, locks: Vec<OwnedFd>, supervised: bool) {
        for file in locks.into_iter().map(File::from) {
            if let Ok(found) = file.metadata() {
                let inode = inode(&found);
                self.held.push(DirectoryLock { file, inode, created: None, supervised });
            }
        }
    }

    /// Whether the file at `path` is one of those that are held: two directories may be the same.
    fn holds(&self, path: &Path) -> bool {
        let inode = fs::symlink_metadata(path).map(|found| inode(&found));
        inode.is_ok_and(|inode| self.held.iter().any(|lock| lock.inode == inode))
    }
}

impl DirectoryLock {
    fn duplicate(&self) -> Option<Self> {
        let file = self.file.try_clone().ok()?;
        Some(Self { file, inode: self.inode, created: None, supervised: self.supervised })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if let Some(path) = &self.created {
            // While it is locked, so that nobody else has locked it.
            let _ = fs::remove_file(path);
        }
    }
}

impl LockHolder {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let process = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
        Self { process, run_dir: lines.next().map(PathBuf::from) }
    }

    fn serves(&self, run_dir: &Path) -> bool {
        self.run_dir.as_deref() == Some(run_dir)
    }
}

fn try_for_a_while(path: &Path, takes_over: bool) -> io::Result<Attempt> {
    let mut last = attempt(path)?;
    for _ in 0..ATTEMPTS {
        match last {
            Attempt::Locked(_) => break,
            Attempt::Held(_) if takes_over => break,
            Attempt::Held(_) => thread::park_timeout(PAUSE),
            Attempt::Gone => {}
        }
        last = attempt(path)?;
    }
    Ok(last)
}

fn attempt(path: &Path) -> io::Result<Attempt> {
    let mode = Mode::RUSR | Mode::WUSR;
    // For reading: a file that is open for writing would keep its file system from being remounted read-only.
    let flags = FLAGS | OFlags::RDONLY;
    let (opened, created) = match open(path, flags | OFlags::CREATE | OFlags::EXCL, mode) {
        Err(Errno::EXIST) => (open(path, flags, mode), None),
        opened => (opened, Some(path.to_owned())),
    };
    let file = match opened {
        Err(Errno::NOENT) if path.parent().is_some_and(Path::is_dir) => return Ok(Attempt::Gone),
        opened => File::from(opened?),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other(format!("{} is not a regular file: remove it", path.display())));
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            let mut text = Vec::new();
            (&file).take(LIMIT).read_to_end(&mut text)?;
            return Ok(Attempt::Held(LockHolder::parse(&String::from_utf8_lossy(&text))));
        }
        locked => locked?,
    }
    let inode = inode(&found);
    // A daemon that did not start has removed it after it was opened here.
    let is_there = fs::symlink_metadata(path).is_ok_and(|now| dataplane::inode(&now) == inode);
    let lock = DirectoryLock { file, inode, created: created.filter(|_| is_there), supervised: false };
    Ok(if is_there { Attempt::Locked(lock) } else { Attempt::Gone })
}

fn log_unlocked(dir: &Path, error: &dyn Display) {
    tracing::warn!(dir = %dir.display(), %error, "cannot lock a directory: another daemon could use it too");
}

/// Names the directories, who holds them, and what to do.
fn message(run_dir: &Path, refused: &[(String, LockHolder)]) -> String {
    let directories: Vec<_> = refused.iter().map(|(dir, _)| dir.as_str()).collect();
    let (directories, belong) = match directories.as_slice() {
        [all @ .., last] if !all.is_empty() => (format!("{} and {last}", all.join(", ")), "belong"),
        one => (one.concat(), "belongs"),
    };
    let mut text = format!("{directories} {belong} to a running daemon");
    let serves_here = refused.iter().any(|(_, holder)| holder.serves(run_dir));
    if let Some((_, holder)) = refused.first() {
        if let Some(process) = &holder.process {
            let _ = write!(text, ", process {process}");
        }
        if let Some(other) = holder.run_dir.as_ref().filter(|_| !serves_here) {
            let _ = write!(text, ", which serves {}", other.display());
        }
    }
    text.push_str(if serves_here {
        ": take over from it with --take-over, stop it, or give this daemon directories of its own"
    } else {
        ": stop that daemon, or give this one directories of its own (--run-dir, --state-dir and --socket-dir)"
    });
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn directories(home: &Path, run: &str, state: &str) -> Directories {
        let of = |name: &str| home.join(name);
        let directories = Directories { run: of(run), state: of(state), socket: of(run).join("vm") };
        let (created, problems) = directories.prepare();
        assert_eq!(problems, Vec::<String>::new());
        created.keep();
        directories
    }

    fn acquire(directories: &Directories) -> Result<DirectoryLocks, String> {
        DirectoryLocks::acquire(directories, Vec::new(), false)
    }

    #[test]
    fn a_state_directory_has_one_daemon_whatever_its_run_directory() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) =
            (directories(home.path(), "run", "state"), directories(home.path(), "run-2", "state"));
        let held = acquire(&first).unwrap();
        held.sign();
        let refused = acquire(&second).unwrap_err().replace(home.path().to_str().unwrap(), "HOME");
        let parent = getppid().unwrap().as_raw_nonzero();
        assert_eq!(
            refused,
            format!(
                "HOME/state (--state-dir) belongs to a running daemon, process {parent}, which serves HOME/run: stop that \
                 daemon, or give this one directories of its own (--run-dir, --state-dir and --socket-dir)"
            )
        );
        assert!(!second.run.join(FILE).exists(), "one that is refused leaves nothing behind");
        let refused = acquire(&first).unwrap_err();
        assert!(refused.contains("(--run-dir), ") && refused.contains("--take-over"), "{refused}");
        drop(held);
        acquire(&second).unwrap();
    }

    #[test]
    fn whoever_shares_a_lock_holds_it() {
        let home = tempfile::tempdir().unwrap();
        let directories = directories(home.path(), "run", "state");
        let mut first = acquire(&directories).unwrap();
        first.sign();
        first.keep();
        let of_supervisor = first.unsupervised().unwrap();
        assert_eq!((of_supervisor.len(), first.unsupervised().unwrap().len()), (3, 0));
        let mut successor = DirectoryLocks::acquire(&directories, Vec::new(), true).unwrap();
        successor.adopt(first.share().unwrap());
        assert_eq!(successor.held.len(), 3);
        drop((first, of_supervisor));
        acquire(&directories).unwrap_err();
        // The next worker of the same supervisor.
        let inherited = successor.share().unwrap();
        drop(successor);
        let worker = DirectoryLocks::acquire(&directories, inherited, false).unwrap();
        assert_eq!(worker.held.len(), 3);
        drop(worker);
        acquire(&directories).unwrap();
    }

    #[test]
    fn a_successor_does_not_take_the_directories_of_a_third_daemon() {
        let home = tempfile::tempdir().unwrap();
        let (third, own) =
            (directories(home.path(), "run-3", "state-3"), directories(home.path(), "run", "state-3"));
        let held = acquire(&third).unwrap();
        held.sign();
        DirectoryLocks::acquire(&own, Vec::new(), true).unwrap_err();
    }

    #[test]
    fn one_directory_for_everything_is_locked_once() {
        let home = tempfile::tempdir().unwrap();
        let same = home.path().to_owned();
        let directories = Directories { run: same.clone(), state: same.clone(), socket: same };
        assert_eq!(acquire(&directories).unwrap().held.len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_locked_is_no_reason_not_to_serve() {
        let home = tempfile::tempdir().unwrap();
        let directories = directories(home.path(), "run", "state");
        fs::create_dir(directories.state.join(FILE)).unwrap();
        assert_eq!(acquire(&directories).unwrap().held.len(), 2);
    }
}
