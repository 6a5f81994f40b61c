//! Attaching, moving and detaching VMs: the table and the data plane are changed together.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use dataplane::{AttachError, DataPlaneHandle, DetachError, ListenerLocation, MoveError, Stopped, VmState};
use delivery::NodeConfig;

use super::attachment::{Attachment, AttachmentOrigin};
use super::served_totals::ServedTotals;
use super::table::{AttachmentTable, InsertError};

/// The attachments of a running daemon. Its methods block for a turn of the data plane's loop.
#[derive(Debug)]
pub struct Attachments {
    dataplane: DataPlaneHandle,
    config: Arc<RwLock<Arc<NodeConfig>>>,
    /// Whether a successor has the attachments. Locked while one is changed, before the table.
    handed_over: Mutex<bool>,
    table: Mutex<AttachmentTable>,
}

/// While it is held, no other thread adds, moves or removes an attachment.
#[derive(Debug)]
pub struct ChangeLock<'a>(MutexGuard<'a, bool>);

impl ChangeLock<'_> {
    /// A successor has all attachments: none is changed by this process any more.
    pub fn set_handed_over(&mut self) {
        *self.0 = true;
    }

    pub(super) fn is_handed_over(&self) -> bool {
        *self.0
    }
}

impl Attachments {
    pub(crate) fn new(dataplane: DataPlaneHandle, config: Arc<RwLock<Arc<NodeConfig>>>) -> Self {
        Self { dataplane, config, handed_over: Mutex::default(), table: Mutex::default() }
    }

    /// Waits until no attachment is being changed.
    pub fn lock(&self) -> ChangeLock<'_> {
        ChangeLock(self.handed_over.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn table(&self) -> MutexGuard<'_, AttachmentTable> {
        // No method leaves it half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dataplane(&self) -> &DataPlaneHandle {
        &self.dataplane
    }

    /// The class of a VM that may name none: the pool's default class now, whatever becomes the default later.
    pub(crate) fn class_of(&self, pool: &str, named: Option<String>) -> Option<String> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        let default = || config.pools.iter().find(|known| known.name == pool);
        named.or_else(|| default().map(|pool| pool.default_class.clone()))
    }

    /// Attaches a VM of the API or the command line, and returns the path of its socket, which is empty for one at a port.
    /// The socket listens when this returns.
    pub fn attach(&self, mut attachment: Attachment) -> Result<PathBuf, AttachError> {
        let _changes = self.lock();
        attachment.class = self.class_of(&attachment.pool, attachment.class.take());
        self.table().check(&attachment)?;
        let request = attachment.request();
        let socket = match attachment.location() {
            Some(ListenerLocation::Port(port)) => {
                self.dataplane.attach_tcp(request, port).map(|()| PathBuf::new())
            }
            Some(ListenerLocation::Elsewhere) | None => self.dataplane.attach(request),
        }?;
        // Not before: a VM that was refused must not be in a checkpoint.
        match self.table().insert(attachment) {
            Err(InsertError::Conflict(error)) => Err(error),
            // Only rows of pods are in the journal.
            Ok(()) | Err(InsertError::Journal(_)) => Ok(socket),
        }
    }

    /// Detaches a VM for good. That of a pod gets no socket again for as long as the pod lives.
    pub fn detach(&self, id: &str) -> Result<(), DetachError> {
        let _changes = self.lock();
        let detached = self.dataplane.detach(id);
        if detached == Err(DetachError::Stopping) {
            return detached;
        }
        let mut table = self.table();
        table.reset_totals(id);
        let Some(attachment) = table.get(id) else { return detached };
        if attachment.pod_volume().is_some() {
            if detached.is_ok() {
                table.update(id, |row| {
                    if let AttachmentOrigin::Csi(volume) = &mut row.origin {
                        volume.detached = true;
                    }
                });
            }
            return detached;
        }
        // One that could not be restored is removed as well.
        let of_api = attachment.origin == AttachmentOrigin::Api;
        // Only rows of pods are in the journal, which may fail.
        let _ = table.remove(id);
        if of_api { Ok(()) } else { detached }
    }

    /// Ends a VM's connections and removes its socket, while the row stays.
    pub(super) fn close_socket(&self, id: &str) -> Result<(), DetachError> {
        let closed = self.dataplane.detach(id);
        if closed != Err(DetachError::Stopping) {
            self.table().reset_totals(id);
        }
        closed
    }

    /// Moves a VM to another class of its pool (`""`: the default class), with its tokens and debt.
    pub fn move_vm(&self, id: &str, class: &str) -> Result<(), MoveError> {
        let _changes = self.lock();
        self.dataplane.move_vm(id, class)?;
        let named = Some(class.to_owned()).filter(|class| !class.is_empty());
        self.table().update(id, |row| row.class = self.class_of(&row.pool, named));
        Ok(())
    }

    /// Attaches the VMs of a checkpoint, and counts on from what was served. Those that cannot be attached stay in the
    /// table, for a configuration that has their class again, and are returned.
    pub fn restore(
        &self,
        attachments: BTreeMap<String, Attachment>,
        served: ServedTotals,
    ) -> Vec<(String, AttachError)> {
        let _changes = self.lock();
        self.load(attachments, served);
        let restored = self.table().checkpointed();
        let failed: Vec<_> = restored
            .into_iter()
            .filter_map(|(id, row)| Some((id, self.dataplane.attach(row.request()).err()?)))
            .collect();
        self.table().set_missing(failed.iter().map(|(id, _)| &**id));
        failed
    }

    /// Tries again to attach those that could not be restored. Returns the ids of those that are attached now.
    pub fn restore_missing(&self) -> Vec<String> {
        let _changes = self.lock();
        let missing = self.table().take_missing();
        let attach = |row: &Attachment| self.dataplane.attach(row.request()).is_ok();
        let (attached, missing): (Vec<_>, Vec<_>) = missing.into_iter().partition(attach);
        self.table().set_missing(missing.iter().map(|row| &*row.id));
        attached.into_iter().map(|row| row.id).collect()
    }

    /// Registers with the data plane all VMs that a predecessor still serves: those of the table, of the command line
    /// (`flags`) and of a checkpoint. Returns those that cannot be served.
    pub fn register_expected(
        &self,
        flags: Vec<Attachment>,
        attachments: BTreeMap<String, Attachment>,
        served: ServedTotals,
    ) -> Result<Vec<(String, AttachError)>, Stopped> {
        let _changes = self.lock();
        self.table().restore(flags, ServedTotals::default());
        self.load(attachments, served);
        let expected: BTreeMap<_, _> = {
            let mut table = self.table();
            let enabled = table.rows().filter(|row| row.is_enabled());
            let expected: BTreeMap<_, _> = enabled.map(|row| (row.id.clone(), row.request())).collect();
            table.set_expected(expected.keys().cloned());
            expected
        };
        let failed = self.dataplane.register_expected(expected)?;
        self.table().set_missing(failed.iter().map(|(id, _)| &**id));
        Ok(failed)
    }

    /// Attaches the expected VMs with their connections, and counts on from what was `served`. The predecessor may still resume, so nothing of it is changed
    /// before [`resume_serving`](Self::resume_serving).
    pub fn restore_connections(
        &self,
        vms: Vec<VmState<OwnedFd>>,
        served: Option<ServedTotals>,
    ) -> Result<(), Stopped> {
        if let Some(served) = served {
            self.table().receive_served(served);
        }
        self.table().receive_totals(vms.iter().filter_map(|vm| Some((&*vm.id, vm.bytes?))));
        self.dataplane.restore_connections(vms)
    }

    /// Serves, since the predecessor has stopped. Pods that were left no socket are detached, to be attached when their
    /// volumes are restored.
    pub fn resume_serving(&self) -> Result<(), Stopped> {
        let locations: BTreeMap<String, ListenerLocation> =
            self.table().rows().filter_map(|row| Some((row.id.clone(), row.location()?))).collect();
        for id in self.dataplane.resume_serving(&locations)? {
            // It may have been detached since.
            let _ = self.close_socket(&id);
        }
        Ok(())
    }

    fn load(&self, attachments: BTreeMap<String, Attachment>, served: ServedTotals) {
        let rows = attachments.into_values().map(|row| {
            let class = self.class_of(&row.pool, row.class);
            Attachment { class, ..row }
        });
        self.table().restore(rows, served);
    }
}

/// Logs which VMs are not served, and when attaching them is retried (`again`).
pub(crate) fn log_failed(failed: impl IntoIterator<Item = (String, AttachError)>, again: &str) {
    for (vm, error) in failed {
        let reason = error.reason();
        tracing::warn!(vm, reason, error = format!("{error}; retried {again}"), "failed to reattach VM");
    }
}
