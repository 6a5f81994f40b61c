//! A disk in memory that keeps apart what a process sees and what would survive a power cut.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use entropool_agent::testing::checkpoint::Disk;
use rustix::io::Errno;

/// Handed to a checkpoint; its clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model(Arc<Mutex<World>>);

/// The disk itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    files: Vec<Inode>,
    /// As a process sees them.
    names: BTreeMap<String, usize>,
    /// As they are on the medium, and the changes that are not there yet.
    durable: BTreeMap<String, usize>,
    pending: Vec<Change>,
    /// System calls until now.
    pub(crate) calls: u32,
    /// Which call goes wrong, and how.
    pub(crate) trouble: Option<(u32, Trouble)>,
    /// The process is gone: no call has an effect.
    pub(crate) dead: bool,
    /// Every call that would change something fails so.
    pub(crate) refuses: Option<Errno>,
    /// Bytes that the files together may have.
    pub(crate) room: Option<usize>,
    /// The most a `write` takes at once.
    pub(crate) piece: Option<usize>,
    /// `fsync` says yes and does nothing: the control.
    pub(crate) lies: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, usize),
    Move(String, String, usize),
    Remove(String),
}

/// What happens at one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The process dies before it.
    CutBefore,
    /// The process dies in it, half done; the same as before it for what cannot be half done.
    CutWithin,
    /// The process dies after it.
    CutAfter,
    /// It fails without an effect.
    Fails(Errno),
    /// It fails and was done all the same.
    FailsDone(Errno),
}

/// What becomes of written bytes that were not synced, when power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Lost,
    /// As long as they were, the second half of them zeros.
    Torn,
}

pub(crate) const FATES: [Fate; 3] = [Fate::Kept, Fate::Lost, Fate::Torn];

impl Model {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// The same disk apart, for another fate.
    pub(crate) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.world().clone())))
    }

    /// One system call: `act` is its effect, told whether it is to be half done.
    fn call<T>(&self, mut act: impl FnMut(&mut World, bool) -> io::Result<T>) -> io::Result<T> {
        let world = &mut *self.world();
        if world.dead {
            return Err(Errno::IO.into());
        }
        let trouble = world.trouble.filter(|(call, _)| *call == world.calls).map(|(_, trouble)| trouble);
        world.calls += 1;
        let Some(trouble) = trouble else { return act(world, false) };
        match trouble {
            Trouble::CutWithin => drop(act(world, true)),
            Trouble::CutAfter | Trouble::FailsDone(_) => drop(act(world, false)),
            Trouble::CutBefore | Trouble::Fails(_) => {}
        }
        match trouble {
            Trouble::Fails(errno) | Trouble::FailsDone(errno) => Err(errno.into()),
            _ => {
                world.dead = true;
                Err(Errno::IO.into())
            }
        }
    }
}

impl World {
    /// A file as a process sees it.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        self.names.get(name).map(|inode| &*self.files[*inode].data)
    }

    /// Puts a file there, surely.
    pub(crate) fn put(&mut self, name: &str, data: &[u8]) {
        self.files.push(Inode { data: data.to_vec(), durable: data.to_vec() });
        self.names.insert(name.to_owned(), self.files.len() - 1);
        self.durable.insert(name.to_owned(), self.files.len() - 1);
    }

    /// Removes a file, surely.
    pub(crate) fn take_away(&mut self, name: &str) {
        self.names.remove(name);
        self.durable.remove(name);
    }

    /// How many changes of names a power cut may lose.
    pub(crate) fn pending(&self) -> u32 {
        u32::try_from(self.pending.len()).unwrap()
    }

    /// The process is started anew; the kernel lived on.
    pub(crate) fn restart(&mut self) {
        self.dead = false;
        self.trouble = None;
    }

    /// Power is cut: of the changes of names only those in `kept` are there, a bit each.
    pub(crate) fn power_cut(&mut self, kept: u32, fate: Fate) {
        for (index, change) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            if kept >> index & 1 == 1 {
                change.apply(&mut self.durable);
            }
        }
        self.names = self.durable.clone();
        for inode in &mut self.files {
            inode.settle(fate);
        }
        self.restart();
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn may_write(&self) -> io::Result<()> {
        self.refuses.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| Errno::NOENT.into())
    }

    fn space(&self) -> usize {
        let used: usize = self.names.values().map(|inode| self.files[*inode].data.len()).sum();
        self.room.map_or(usize::MAX, |room| room.saturating_sub(used))
    }
}

impl Inode {
    fn settle(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => {}
            Fate::Lost => self.data.clone_from(&self.durable),
            Fate::Torn => {
                let from = self.data.len().midpoint(self.durable.len());
                let unsynced = self.data.iter_mut().skip(from);
                unsynced.for_each(|byte| *byte = 0);
            }
        }
        self.durable.clone_from(&self.data);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, inode) => drop(names.insert(name.clone(), *inode)),
            Self::Move(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl Disk for Model {
    type File = usize;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/state").join(name)
    }

    fn make_dir(&self) -> io::Result<()> {
        self.call(|_, _| Ok(()))
    }

    fn read(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        self.call(|world, _| Ok(world.file(name).map(|data| data[..data.len().min(most + 1)].to_vec())))
    }

    fn create(&self, name: &str) -> io::Result<usize> {
        self.call(|world, _| {
            world.may_write()?;
            if let Ok(inode) = world.inode(name) {
                world.files[inode].data.clear();
                return Ok(inode);
            }
            world.files.push(Inode::default());
            let inode = world.files.len() - 1;
            world.change(Change::Set(name.to_owned(), inode));
            Ok(inode)
        })
    }

    fn write(&self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        self.call(|world, half| {
            world.may_write()?;
            let fits = bytes.len().min(world.space()).min(world.piece.unwrap_or(usize::MAX));
            if fits == 0 {
                return Err(Errno::NOSPC.into());
            }
            let written = if half { fits / 2 } else { fits };
            world.files[*file].data.extend_from_slice(&bytes[..written]);
            Ok(written)
        })
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.call(|world, half| {
            if !half && !world.lies {
                world.files[*file].settle(Fate::Kept);
            }
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(|world, half| {
            world.may_write()?;
            let inode = world.inode(from)?;
            if !half {
                world.change(Change::Move(from.to_owned(), to.to_owned(), inode));
            }
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.call(|world, half| {
            if !half && !world.lies {
                world.pending.clear();
                world.durable = world.names.clone();
            }
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(|world, half| {
            world.may_write()?;
            world.inode(name)?;
            if !half {
                world.change(Change::Remove(name.to_owned()));
            }
            Ok(())
        })
    }
}
