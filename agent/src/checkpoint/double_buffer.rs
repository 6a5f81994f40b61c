//! Two files that take turns.
//!
//! A save writes `state.tmp`, makes sure of it, renames it over the older slot, and makes sure of the name. Cut
//! anywhere, the newer slot of before is untouched and the other one is whole. A load takes the highest
//! generation that is whole.

use std::io::{self, ErrorKind};

use super::disk::Disk;
use super::format::{self, MAX_FILE};
use super::payload::{SkippedObject, from_json, to_json};
use super::save_error::SaveError;
use super::state::CheckpointState;
use super::warning::{SlotError, Warning};

pub(crate) const SLOTS: [&str; 2] = ["state.a", "state.b"];
const TEMPORARY: &str = "state.tmp";

/// The files of one agent. Both methods wait for the disk.
#[derive(Debug)]
pub struct Checkpoint<D> {
    disk: D,
    /// Of the newest state that is surely on disk; 0: none is.
    generation: u64,
    /// The slot that is written next: never the one that holds that state.
    next: usize,
    /// Files that are not used and still have a slot's name, with the name they should have. Were one left there,
    /// it might be readable one day and pass for the newest.
    in_the_way: Vec<(&'static str, String)>,
}

/// What a start finds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest state that is whole; empty where there is none.
    pub state: CheckpointState,
    /// What should be said about it.
    pub warnings: Vec<Warning>,
}

/// What a save came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenSlot {
    /// One more than the last.
    pub generation: u64,
    /// Bytes of the file.
    pub length: usize,
}

/// A slot as it was read.
struct Slot {
    generation: u64,
    state: CheckpointState,
    left_out: Vec<SkippedObject>,
}

impl<D: Disk> Checkpoint<D> {
    /// Finds the newest state. This cannot fail: what cannot be used is set aside and noted, and an agent that
    /// knows nothing starts empty.
    pub fn open(disk: D) -> (Self, Loaded) {
        let mut found = Self { disk, generation: 0, next: 0, in_the_way: Vec::new() };
        let mut loaded = Loaded::default();
        let mut newest: Option<(usize, Slot)> = None;
        for (index, name) in SLOTS.into_iter().enumerate() {
            match found.read(name) {
                Ok(Some(slot)) if newest.as_ref().is_none_or(|(_, it)| it.generation < slot.generation) => {
                    newest = Some((index, slot));
                }
                Ok(_) => {}
                Err(cause) => loaded.warnings.push(found.set_aside(name, cause)),
            }
        }
        match newest {
            Some((index, slot)) => found.take(index, slot, &mut loaded),
            None if loaded.warnings.is_empty() => {}
            None => loaded.warnings.push(Warning::Empty),
        }
        // Whoever renamed what is taken now may have been killed before it could make sure. Where this fails, so
        // will the next save.
        let _ = found.disk.sync_dir();
        (found, loaded)
    }

    /// Puts a state on disk; when this returns it is there. On an error the one before is, or this one.
    pub fn save(&mut self, state: &CheckpointState) -> Result<WrittenSlot, SaveError> {
        // At a save a second the generations last longer than the sun.
        let generation = self.generation.saturating_add(1);
        let file = format::seal(generation, &to_json(state)).map_err(SaveError::TooLarge)?;
        let path = |name| self.disk.path(name);
        self.disk.make_dir().map_err(|source| SaveError::MakeDir { path: path(TEMPORARY), source })?;
        self.clear_the_way()?;
        if let Err(error) = self.replace(SLOTS[self.next], &file) {
            // It may hold the space that is missing, and is of no use.
            let _ = self.disk.remove(TEMPORARY);
            return Err(error);
        }
        self.generation = generation;
        self.next = other(self.next);
        Ok(WrittenSlot { generation, length: file.len() })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), SaveError> {
        let disk = &self.disk;
        let (temporary, path) = (|| disk.path(TEMPORARY), || disk.path(name));
        let create = |source| SaveError::Create { path: temporary(), source };
        let mut file = disk.create(TEMPORARY).map_err(create)?;
        write_all(disk, &mut file, bytes).map_err(|source| SaveError::Write { path: temporary(), source })?;
        disk.sync(&file).map_err(|source| SaveError::Sync { path: temporary(), source })?;
        drop(file);
        disk.rename(TEMPORARY, name).map_err(|source| SaveError::Rename { path: path(), source })?;
        disk.sync_dir().map_err(|source| SaveError::SyncDir { path: path(), source })
    }

    fn read(&self, name: &str) -> Result<Option<Slot>, SlotError> {
        let Some(file) = self.disk.read(name, MAX_FILE).map_err(SlotError::Read)? else { return Ok(None) };
        let unsealed = format::unseal(&file).map_err(SlotError::Unseal)?;
        let (state, left_out) = from_json(unsealed.payload).map_err(SlotError::Payload)?;
        Ok(Some(Slot { generation: unsealed.generation, state, left_out }))
    }

    fn take(&mut self, index: usize, slot: Slot, loaded: &mut Loaded) {
        self.generation = slot.generation;
        self.next = other(index);
        loaded.state = slot.state;
        let path = || self.disk.path(SLOTS[index]);
        if !loaded.warnings.is_empty() {
            loaded.warnings.push(Warning::Older { path: path(), generation: slot.generation });
        }
        let note = |part| Warning::LeftOut { path: path(), part };
        loaded.warnings.extend(slot.left_out.into_iter().map(note));
    }

    fn set_aside(&mut self, name: &'static str, cause: SlotError) -> Warning {
        let path = self.disk.path(name);
        let aside = format!("{name}.{}", cause.suffix());
        match self.disk.rename(name, &aside) {
            Ok(()) => Warning::SetAside { path, kept: self.disk.path(&aside), cause },
            Err(source) => {
                self.in_the_way.push((name, aside));
                Warning::InTheWay { path, cause, source }
            }
        }
    }

    fn clear_the_way(&mut self) -> Result<(), SaveError> {
        while let Some((name, aside)) = self.in_the_way.last() {
            match self.disk.rename(name, aside) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(SaveError::SetAside { path: self.disk.path(name), source });
                }
                // Somebody else may have taken it away.
                _ => drop(self.in_the_way.pop()),
            }
        }
        Ok(())
    }
}

fn other(slot: usize) -> usize {
    1 - slot
}

fn write_all<D: Disk>(disk: &D, file: &mut D::File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(file, bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
