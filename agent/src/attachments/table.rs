//! The table of attachments: each VM, its class, and who requested the attachment.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use dataplane::{AttachError, DataPlaneSnapshot};

use super::attachment::{Attachment, AttachmentOrigin};
use super::journal::Journal;
use super::served_totals::ServedTotals;

/// Why a volume cannot be published beside those that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeConflict {
    #[error(
        "volume {volume_id} is published already for pod {pod} with another pod, target path, pool or client; \
         unpublish it first"
    )]
    Different { volume_id: String, pod: String },
    /// A pod draws from one pool.
    #[error(
        "pod {pod} has volume {volume} of this driver already; a pod draws from one pool: leave one volume in the pod"
    )]
    SecondVolume { pod: String, volume: String },
}

/// Why a row cannot be added.
#[derive(Debug)]
pub(super) enum InsertError {
    Conflict(AttachError),
    Journal(io::Error),
}

/// The attachments of a host, by id.
#[derive(Debug, Default)]
pub struct AttachmentTable {
    rows: BTreeMap<String, Attachment>,
    /// The ids by the kubelet's volume ids.
    by_volume: BTreeMap<String, String>,
    /// Keeps the rows of pods. `None` where no kubelet is served.
    journal: Option<Journal>,
    /// Rows of the API that could not be restored.
    missing: BTreeSet<String>,
    /// Rows that a predecessor is about to hand over.
    expected: BTreeSet<String>,
    /// Ids that were detached since [`take_detached`](Self::take_detached).
    detached: BTreeSet<String>,
    /// What was served before this process.
    served_before: ServedTotals,
}

impl AttachmentTable {
    /// Adds the rows of the journal in `directory`, which is made if need be, and keeps the rows of pods there.
    pub(super) fn open_journal(&mut self, directory: PathBuf) -> io::Result<()> {
        let journal = Journal::open(directory)?;
        for entry in journal.load()? {
            match entry {
                Ok(attachment) => self.index(attachment),
                Err(error) => tracing::error!(%error, "dropped a journal entry"),
            }
        }
        self.journal = Some(journal);
        Ok(())
    }

    /// Adds the rows of a checkpoint, and counts on from what was served. A row of the command line stays as it is.
    pub(super) fn restore(
        &mut self,
        attachments: impl IntoIterator<Item = Attachment>,
        served: ServedTotals,
    ) {
        for attachment in attachments {
            if !self.rows.contains_key(&attachment.id) {
                self.index(attachment);
            }
        }
        self.served_before = served;
    }

    pub fn get(&self, id: &str) -> Option<&Attachment> {
        self.rows.get(id)
    }

    /// The attachment of a volume.
    pub(super) fn by_volume(&self, volume_id: &str) -> Option<&Attachment> {
        self.rows.get(self.by_volume.get(volume_id)?)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Attachment> {
        self.rows.values()
    }

    /// The rows that the checkpoint keeps, by id.
    pub fn checkpointed(&self) -> BTreeMap<String, Attachment> {
        let api = self.rows.iter().filter(|(_, row)| row.origin == AttachmentOrigin::Api);
        api.map(|(id, row)| (id.clone(), row.clone())).collect()
    }

    /// The class that each pod requested of the scheduler, by id.
    pub(crate) fn scheduled_classes(&self) -> BTreeMap<String, String> {
        let class = |row: &Attachment| Some((row.id.clone(), row.pod_volume()?.scheduled_class.clone()?));
        self.rows.values().filter_map(class).collect()
    }

    /// The row of a volume that is published already, if `requested` is the same call again.
    pub(super) fn published(&self, requested: &Attachment) -> Result<Option<Attachment>, VolumeConflict> {
        let Some(volume) = requested.pod_volume() else { return Ok(None) };
        if let Some(row) = self.by_volume(&volume.volume_id) {
            if row.is_same_request(requested) {
                return Ok(Some(row.clone()));
            }
            let pod = row.pod_volume().map(|volume| volume.pod.clone()).unwrap_or_default();
            return Err(VolumeConflict::Different { volume_id: volume.volume_id.clone(), pod });
        }
        match self.rows.get(&requested.id).and_then(Attachment::pod_volume) {
            None => Ok(None),
            Some(first) => {
                Err(VolumeConflict::SecondVolume { pod: first.pod.clone(), volume: first.name.clone() })
            }
        }
    }

    /// Whether a row with this id can be added: an id is attached once. The API may repeat a call whose attachment
    /// could not be restored.
    pub(super) fn check(&self, attachment: &Attachment) -> Result<(), AttachError> {
        let id = &attachment.id;
        let repeated = attachment.origin == AttachmentOrigin::Api && self.missing.contains(id);
        if self.rows.contains_key(id) && !repeated {
            return Err(AttachError::AlreadyAttached { id: id.clone() });
        }
        Ok(())
    }

    /// Adds a row. That of a pod is in the journal when this returns.
    pub(super) fn insert(&mut self, attachment: Attachment) -> Result<(), InsertError> {
        self.check(&attachment).map_err(InsertError::Conflict)?;
        self.write(&attachment).map_err(InsertError::Journal)?;
        self.missing.remove(&attachment.id);
        self.index(attachment);
        Ok(())
    }

    /// Removes a row, first from the journal. It stays if that fails.
    pub(super) fn remove(&mut self, id: &str) -> io::Result<()> {
        let Some(row) = self.rows.get(id) else { return Ok(()) };
        if let Some(volume) = row.pod_volume() {
            if let Some(journal) = &self.journal {
                journal.remove(id)?;
            }
            self.by_volume.remove(&volume.volume_id);
        }
        self.rows.remove(id);
        self.missing.remove(id);
        Ok(())
    }

    /// Changes a row, and its journal entry. Where the latter fails, the change lasts until the next restart.
    pub(super) fn update(&mut self, id: &str, change: impl FnOnce(&mut Attachment)) {
        let Some(mut row) = self.rows.get(id).cloned() else { return };
        change(&mut row);
        if let Err(error) = self.write(&row) {
            tracing::error!(vm = id, %error, "failed to journal a change; a restart will undo it");
        }
        self.rows.insert(id.to_owned(), row);
    }

    fn write(&self, attachment: &Attachment) -> io::Result<()> {
        match &self.journal {
            Some(journal) if attachment.pod_volume().is_some() => journal.write(attachment),
            _ => Ok(()),
        }
    }

    fn index(&mut self, attachment: Attachment) {
        if let Some(volume) = attachment.pod_volume() {
            self.by_volume.insert(volume.volume_id.clone(), attachment.id.clone());
        }
        self.rows.insert(attachment.id.clone(), attachment);
    }

    pub(super) fn take_missing(&mut self) -> Vec<Attachment> {
        let missing = std::mem::take(&mut self.missing);
        missing.iter().filter_map(|id| self.rows.get(id).cloned()).collect()
    }

    /// These could not be restored. Only rows of the API are tried again from here: the kubelet repeats its calls, and a
    /// start its flags.
    pub(super) fn set_missing<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        let of_api = |id: &&str| self.rows.get(*id).is_some_and(|row| row.origin == AttachmentOrigin::Api);
        self.missing = ids.filter(of_api).map(str::to_owned).collect();
    }

    pub(super) fn set_expected(&mut self, ids: impl Iterator<Item = String>) {
        self.expected = ids.collect();
    }

    /// Counts on from what a predecessor served the VMs that are expected.
    pub(super) fn receive_totals<'a>(&mut self, totals: impl Iterator<Item = (&'a str, u64)>) {
        let expected = std::mem::take(&mut self.expected);
        for (id, bytes) in totals.filter(|(id, _)| expected.contains(*id)) {
            self.served_before.vms.entry(id.to_owned()).or_default().bytes = bytes;
        }
    }

    /// Counts on from what a predecessor served in total, which is newer than the checkpoint. To be called before
    /// [`receive_totals`](Self::receive_totals).
    pub(super) fn receive_served(&mut self, served: ServedTotals) {
        let ServedTotals { vms, classes, pools } = served;
        let expected = &self.expected;
        self.served_before.vms.extend(vms.into_iter().filter(|(id, _)| expected.contains(id)));
        self.served_before.classes.extend(classes);
        self.served_before.pools.extend(pools);
    }

    /// Another VM may be attached under this id: its counters start from zero.
    pub(super) fn reset_totals(&mut self, id: &str) {
        self.detached.insert(id.to_owned());
        self.served_before.vms.remove(id);
    }

    /// The ids that were detached since the last call.
    pub(crate) fn take_detached(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.detached)
    }

    pub(crate) fn served_before(&self) -> &ServedTotals {
        &self.served_before
    }

    /// The totals up to a snapshot that includes what was served before.
    pub(crate) fn served(&self, snapshot: &DataPlaneSnapshot) -> ServedTotals {
        self.served_before.with(snapshot, |id| self.rows.contains_key(id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::attachment::PodVolume;
    use super::*;

    fn of(id: &str, origin: AttachmentOrigin) -> Attachment {
        let (namespace, pool) = ("shop".to_owned(), "default".to_owned());
        Attachment { id: id.to_owned(), namespace, pool, origin, ..Attachment::default() }
    }

    fn pod(uid: &str, volume_id: &str) -> Attachment {
        let volume = PodVolume {
            volume_id: volume_id.to_owned(),
            name: "entropool".to_owned(),
            pod: format!("pod-{uid}"),
            scheduled_class: Some("gold".to_owned()),
            detached: false,
        };
        of(uid, AttachmentOrigin::Csi(volume))
    }

    fn journaled(dir: &tempfile::TempDir) -> AttachmentTable {
        let mut table = AttachmentTable::default();
        table.open_journal(dir.path().join("attachments")).unwrap();
        table
    }

    #[test]
    fn an_id_is_attached_once_for_all_origins() {
        let origins =
            [AttachmentOrigin::Api, AttachmentOrigin::Flag { port: None }, pod("a", "csi-1").origin];
        for first in &origins {
            for second in &origins {
                let mut table = AttachmentTable::default();
                table.insert(of("a", first.clone())).unwrap();
                let refused = table.insert(of("a", second.clone()));
                assert!(
                    matches!(refused, Err(InsertError::Conflict(AttachError::AlreadyAttached { .. }))),
                    "{first:?}, then {second:?}: {refused:?}"
                );
            }
        }
    }

    #[test]
    fn a_missing_attachment_may_be_attached_again_by_the_api_alone() {
        let mut table = AttachmentTable::default();
        table.restore([of("a", AttachmentOrigin::Api)], ServedTotals::default());
        table.set_missing(["a"].into_iter());
        table.check(&pod("a", "csi-1")).unwrap_err();
        table.insert(of("a", AttachmentOrigin::Api)).unwrap();
        assert_eq!(table.take_missing(), []);
    }

    #[test]
    fn a_publish_call_is_new_or_repeated_or_conflicts() {
        let mut table = AttachmentTable::default();
        assert_eq!(table.published(&pod("a", "csi-1")), Ok(None));
        table.insert(pod("a", "csi-1")).unwrap();
        table.update("a", |row| row.class = Some("silver".to_owned()));
        let again = table.published(&pod("a", "csi-1")).unwrap().unwrap();
        assert_eq!(again.class.as_deref(), Some("silver"), "the class it was moved to");
        let other_pool = Attachment { pool: "other".to_owned(), ..pod("a", "csi-1") };
        assert!(matches!(table.published(&other_pool), Err(VolumeConflict::Different { .. })));
        assert!(matches!(table.published(&pod("b", "csi-1")), Err(VolumeConflict::Different { .. })));
        assert!(matches!(table.published(&pod("a", "csi-2")), Err(VolumeConflict::SecondVolume { .. })));
    }

    #[test]
    fn each_origin_is_kept_for_as_long_as_its_caller_does_not_repeat_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = journaled(&dir);
        for row in [
            of("api", AttachmentOrigin::Api),
            of("flag", AttachmentOrigin::Flag { port: None }),
            pod("pod", "csi-1"),
        ] {
            table.insert(row).unwrap();
        }
        assert_eq!(
            table.checkpointed(),
            BTreeMap::from([("api".to_owned(), of("api", AttachmentOrigin::Api))])
        );
        let next = journaled(&dir);
        assert_eq!(next.rows().collect::<Vec<_>>(), [&pod("pod", "csi-1")]);
        assert_eq!(next.by_volume("csi-1"), Some(&pod("pod", "csi-1")));
        assert_eq!(next.scheduled_classes(), BTreeMap::from([("pod".to_owned(), "gold".to_owned())]));
    }

    #[test]
    fn a_change_to_a_pod_outlives_the_process_and_a_removed_one_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = journaled(&dir);
        table.insert(pod("a", "csi-1")).unwrap();
        table.update("a", |row| row.class = Some("silver".to_owned()));
        assert_eq!(journaled(&dir).get("a").unwrap().class.as_deref(), Some("silver"));
        table.remove("a").unwrap();
        assert_eq!((table.get("a"), table.by_volume("csi-1")), (None, None));
        assert_eq!(journaled(&dir).get("a"), None);
    }

    #[test]
    fn a_successor_counts_on_only_for_the_vms_that_it_expects() {
        let mut table = AttachmentTable::default();
        table.restore([of("a", AttachmentOrigin::Api)], ServedTotals::default());
        table.set_expected(["a".to_owned()].into_iter());
        table.receive_totals([("a", 64), ("b", 32)].into_iter());
        assert_eq!(table.served_before().vms["a"].bytes, 64);
        assert_eq!(table.served_before().vms.len(), 1);
        table.reset_totals("a");
        assert_eq!(table.served_before().vms, BTreeMap::new());
        assert_eq!(table.take_detached(), BTreeSet::from(["a".to_owned()]));
    }
}
