//! Two files that are written alternately.
//!
//! A save writes and syncs `state.tmp`, renames it over the older slot, and syncs the directory. Interrupted anywhere, it
//! leaves the newer slot untouched and the other one whole. A load uses the valid slot with the highest generation.

use std::io::{self, ErrorKind};

use super::disk::Disk;
use super::error::{LoadWarning, SaveError, SlotError};
use super::format::{self, MAX_FILE};
use super::payload::{SkippedObject, from_json, to_json};
use super::state::CheckpointState;

pub(crate) const SLOTS: [&str; 2] = ["state.a", "state.b"];
const TEMPORARY: &str = "state.tmp";

/// The checkpoint of one agent. Both methods wait for the disk.
#[derive(Debug)]
pub struct Checkpoint<D> {
    disk: D,
    /// That of the newest state that is known to be on disk; 0 if there is none.
    generation: u64,
    /// The slot to be written next: never the one that holds that state.
    next: usize,
    /// Unusable files that still have the name of a slot, with the name they should have. A file left there might become
    /// readable and be taken for the newest.
    blocking: Vec<(&'static str, String)>,
}

/// What a start loads.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest valid state; empty where there is none.
    pub state: CheckpointState,
    pub warnings: Vec<LoadWarning>,
}

/// What a save wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenSlot {
    /// One more than the last.
    pub generation: u64,
    /// In bytes.
    pub length: usize,
}

struct CheckpointSlot {
    generation: u64,
    state: CheckpointState,
    skipped: Vec<SkippedObject>,
}

impl<D: Disk> Checkpoint<D> {
    /// Loads the newest state. This cannot fail: an unusable file is set aside with a warning, and an agent without a
    /// state starts empty.
    pub fn open(disk: D) -> (Self, Loaded) {
        let mut checkpoint = Self { disk, generation: 0, next: 0, blocking: Vec::new() };
        let mut loaded = Loaded::default();
        let mut newest: Option<(usize, CheckpointSlot)> = None;
        for (index, name) in SLOTS.into_iter().enumerate() {
            match checkpoint.read(name) {
                Ok(Some(slot))
                    if newest.as_ref().is_none_or(|(_, newest)| newest.generation < slot.generation) =>
                {
                    newest = Some((index, slot));
                }
                Ok(_) => {}
                Err(cause) => loaded.warnings.push(checkpoint.set_aside(name, cause)),
            }
        }
        match newest {
            Some((index, slot)) => checkpoint.use_slot(index, slot, &mut loaded),
            None if loaded.warnings.is_empty() => {}
            None => loaded.warnings.push(LoadWarning::Empty),
        }
        // The process that renamed the slot may have been killed before it synced the directory. Where this fails, the
        // next save fails too.
        let _ = checkpoint.disk.sync_dir();
        (checkpoint, loaded)
    }

    /// Saves a state. When this returns, the state is on disk; after an error either it or the previous state is.
    pub fn save(&mut self, state: &CheckpointState) -> Result<WrittenSlot, SaveError> {
        // At one save a second the generations do not run out.
        let generation = self.generation.saturating_add(1);
        let file = format::seal(generation, &to_json(state)).map_err(SaveError::TooLarge)?;
        let path = |name| self.disk.path(name);
        self.disk.make_dir().map_err(|source| SaveError::MakeDir { path: path(TEMPORARY), source })?;
        self.rename_blocking()?;
        replace_file(&self.disk, TEMPORARY, SLOTS[self.next], &file)?;
        self.generation = generation;
        self.next = other(self.next);
        Ok(WrittenSlot { generation, length: file.len() })
    }

    fn read(&self, name: &str) -> Result<Option<CheckpointSlot>, SlotError> {
        let Some(file) = self.disk.read(name, MAX_FILE).map_err(SlotError::Read)? else { return Ok(None) };
        let unsealed = format::unseal(&file).map_err(SlotError::Unseal)?;
        let (state, skipped) = from_json(unsealed.payload).map_err(SlotError::Payload)?;
        Ok(Some(CheckpointSlot { generation: unsealed.generation, state, skipped }))
    }

    fn use_slot(&mut self, index: usize, slot: CheckpointSlot, loaded: &mut Loaded) {
        self.generation = slot.generation;
        self.next = other(index);
        loaded.state = slot.state;
        let path = || self.disk.path(SLOTS[index]);
        if !loaded.warnings.is_empty() {
            loaded.warnings.push(LoadWarning::OlderGeneration { path: path(), generation: slot.generation });
        }
        let skipped = |object| LoadWarning::Skipped { path: path(), object };
        loaded.warnings.extend(slot.skipped.into_iter().map(skipped));
    }

    fn set_aside(&mut self, name: &'static str, cause: SlotError) -> LoadWarning {
        let path = self.disk.path(name);
        let aside = format!("{name}.{}", cause.suffix());
        match self.disk.rename(name, &aside) {
            Ok(()) => LoadWarning::SetAside { path, kept: self.disk.path(&aside), cause },
            Err(source) => {
                self.blocking.push((name, aside));
                LoadWarning::Blocking { path, cause, source }
            }
        }
    }

    fn rename_blocking(&mut self) -> Result<(), SaveError> {
        while let Some((name, aside)) = self.blocking.last() {
            match self.disk.rename(name, aside) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(SaveError::SetAside { path: self.disk.path(name), source });
                }
                // It may have been removed.
                _ => drop(self.blocking.pop()),
            }
        }
        Ok(())
    }
}

/// Replaces a file as a whole: the bytes are on the medium when this returns, and after an error they or those before are.
pub(crate) fn replace_file<D: Disk>(
    disk: &D,
    temporary: &str,
    name: &str,
    bytes: &[u8],
) -> Result<(), SaveError> {
    let replaced = replace(disk, temporary, name, bytes);
    if replaced.is_err() {
        // It may occupy the space that is missing.
        let _ = disk.remove(temporary);
    }
    replaced
}

fn replace<D: Disk>(disk: &D, temporary: &str, name: &str, bytes: &[u8]) -> Result<(), SaveError> {
    let new = || disk.path(temporary);
    let path = || disk.path(name);
    let mut file = disk.create(temporary).map_err(|source| SaveError::Create { path: new(), source })?;
    write_all(disk, &mut file, bytes).map_err(|source| SaveError::Write { path: new(), source })?;
    disk.sync(&file).map_err(|source| SaveError::Sync { path: new(), source })?;
    drop(file);
    disk.rename(temporary, name).map_err(|source| SaveError::Rename { path: path(), source })?;
    disk.sync_dir().map_err(|source| SaveError::SyncDir { path: path(), source })
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
