//! The journal: the rows of the table that outlive the process but not the boot, one file each.
//!
//! An entry is whole or absent: it is written under another name and renamed. Nothing is synced: a crash of the daemon
//! does not touch the page cache, and after a crash of the host no entry is valid. Each entry carries the boot id, so
//! that it is dropped after a reboot even where the directory is on a disk.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::attachment::Attachment;
use crate::checkpoint::{Disk, HostDisk};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const EXTENSION: &str = "json";
/// The name of an entry that is being written. No id begins with a dot.
const TEMPORARY: &str = ".new";
/// The longest entry, in bytes.
const MAX_ENTRY: usize = 64 * 1024;

/// An entry that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to read journal entry {path}: {source}", path = path.display())]
pub(super) struct UnreadableEntry {
    path: PathBuf,
    source: io::Error,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JournalEntry<A> {
    boot_id: String,
    #[serde(flatten)]
    attachment: A,
}

/// A directory of entries.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    /// Empty where the kernel does not tell it.
    boot_id: String,
}

impl Journal {
    /// Opens the directory, or makes it for the daemon alone.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let boot_id = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        Ok(Self { directory, boot_id })
    }

    /// The entries of this boot. Those of another one are removed.
    pub(super) fn load(&self) -> io::Result<Vec<Result<Attachment, UnreadableEntry>>> {
        let mut loaded = Vec::new();
        for file in fs::read_dir(&self.directory)? {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            match read(&path) {
                Ok(entry) if entry.boot_id == self.boot_id => loaded.push(Ok(entry.attachment)),
                Ok(_) => fs::remove_file(&path)?,
                Err(source) => loaded.push(Err(UnreadableEntry { path, source })),
            }
        }
        Ok(loaded)
    }

    pub(super) fn write(&self, attachment: &Attachment) -> io::Result<()> {
        let entry = JournalEntry { boot_id: self.boot_id.clone(), attachment };
        let temporary = self.directory.join(TEMPORARY);
        // What is left there might be a FIFO.
        let _ = fs::remove_file(&temporary);
        let mut file = File::create_new(&temporary)?;
        file.write_all(&serde_json::to_vec(&entry)?)?;
        fs::rename(&temporary, self.path(&attachment.id))
    }

    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.{EXTENSION}"))
    }
}

/// The bytes of a regular file of bounded length.
fn read_entry(path: &Path) -> io::Result<Vec<u8>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bytes = HostDisk::new(path.parent().unwrap_or(path)).read(name, MAX_ENTRY)?;
    let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    if bytes.len() > MAX_ENTRY { Err(io::Error::other("it is too long for an entry")) } else { Ok(bytes) }
}

fn read(path: &Path) -> io::Result<JournalEntry<Attachment>> {
    let mut entry: JournalEntry<Attachment> = serde_json::from_slice(&read_entry(path)?)?;
    let id = path.file_stem().and_then(|stem| stem.to_str());
    let id = id.ok_or_else(|| io::Error::other("its name is not UTF-8"))?;
    id.clone_into(&mut entry.attachment.id);
    Ok(entry)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::attachment::{AttachmentOrigin, PodVolume};
    use super::*;

    fn attachment(id: &str) -> Attachment {
        let volume = PodVolume {
            volume_id: format!("csi-{id}"),
            name: "entropool".to_owned(),
            pod: "virt-launcher-web".to_owned(),
            scheduled_class: Some("gold".to_owned()),
            detached: true,
        };
        let (namespace, pool) = ("shop".to_owned(), "default".to_owned());
        Attachment {
            id: id.to_owned(),
            namespace,
            pool,
            origin: AttachmentOrigin::Csi(volume),
            ..Attachment::default()
        }
    }

    fn load(journal: &Journal) -> Vec<Attachment> {
        journal.load().unwrap().into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn an_entry_is_loaded_as_it_was_written_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path().join("attachments")).unwrap();
        journal.write(&attachment("a")).unwrap();
        let reopened = Journal::open(dir.path().join("attachments")).unwrap();
        assert_eq!(load(&reopened), [attachment("a")]);
        reopened.remove("a").unwrap();
        reopened.remove("a").unwrap();
        assert_eq!(load(&reopened), []);
    }

    #[test]
    fn an_entry_of_another_boot_is_dropped_and_its_file_removed() {
        let dir = tempfile::tempdir().unwrap();
        let before = Journal { directory: dir.path().to_owned(), boot_id: "before".to_owned() };
        before.write(&attachment("a")).unwrap();
        let after = Journal { directory: dir.path().to_owned(), boot_id: "after".to_owned() };
        after.write(&attachment("b")).unwrap();
        assert_eq!(load(&after), [attachment("b")]);
        assert!(!dir.path().join("a.json").exists());
    }

    #[test]
    fn an_unreadable_entry_does_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path().to_owned()).unwrap();
        journal.write(&attachment("a")).unwrap();
        fs::write(dir.path().join("b.json"), "{").unwrap();
        fs::write(dir.path().join(TEMPORARY), "{").unwrap();
        let (good, bad): (Vec<_>, Vec<_>) = journal.load().unwrap().into_iter().partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (1, 1));
    }
}
