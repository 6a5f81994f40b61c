//! Publishing and unpublishing the volumes of a node's pods.

use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;

use dataplane::{AttachError, DetachError};
use proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest};

use super::error::{PublishError, UnpublishError};
use super::pod_directory::PodDirectories;
use super::request;
use super::target::TargetPath;
use crate::agent::Agent;
use crate::attachments::table::InsertError;
use crate::attachments::{Attachment, Attachments, PodVolume};
use crate::health::driver_registration::{RegistrationMonitor, RegistrationResult};

/// Whether the kubelet is known to overwrite the pod's identity as given by its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodInfo {
    /// No controller has looked at the `CSIDriver` yet.
    Unknown,
    /// The `CSIDriver` has no `podInfoOnMount`: the author may claim to be another pod.
    Off,
    /// The `CSIDriver` has `podInfoOnMount`.
    Verified,
}

/// The daemon, as far as volumes depend on it.
pub trait PodHost: Debug + Send + Sync + 'static {
    fn pod_info(&self) -> PodInfo;

    /// Whether a configuration is applied, even one without pools.
    fn configured(&self) -> bool;

    /// Called when a pod's VM was attached or detached, or the kubelet answered the driver's registration.
    fn changed(&self);
}

/// The volumes of a node. Calls run one after the other; each takes a few iterations of the data plane's loop.
#[derive(Debug)]
pub struct Volumes {
    attachments: Arc<Attachments>,
    registration: Arc<RegistrationMonitor>,
    host: Arc<dyn PodHost>,
    pods: PodDirectories,
}

impl Volumes {
    /// Loads the volumes from the journal in the directory `journal`; `pods` is the kubelet's directory of pods. No
    /// volume has a socket before [`restore`](Self::restore).
    pub fn open(agent: &Agent, host: Arc<dyn PodHost>, pods: PathBuf, journal: PathBuf) -> io::Result<Self> {
        let (attachments, registration) =
            (Arc::clone(agent.attachments()), Arc::clone(agent.driver_registration()));
        attachments.table().open_journal(journal)?;
        Ok(Self { attachments, registration, host, pods: PodDirectories::at(pods) })
    }

    /// The driver's registration with the kubelet.
    pub(super) fn registration(&self) -> &RegistrationMonitor {
        &self.registration
    }

    pub(super) fn kubelet_answered(&self, result: RegistrationResult) {
        if self.registration.set_result(result) {
            self.host.changed();
        }
    }

    /// Makes the missing sockets, and drops the volumes of pods that are gone. Called after each configuration: nothing
    /// can be attached without one.
    pub fn restore(&self) {
        let _changes = self.attachments.lock();
        let volumes: Vec<Attachment> =
            self.attachments.table().rows().filter(|row| row.pod_volume().is_some()).cloned().collect();
        for attachment in volumes {
            match self.pods.exists(&target(&attachment)) {
                Ok(false) => self.drop_deleted(&attachment),
                Ok(true) | Err(_) => self.attach_again(&attachment),
            }
        }
    }

    pub(super) fn publish(&self, request: &NodePublishVolumeRequest) -> Result<(), PublishError> {
        let mut attachment = request::publish(request, self.pods.path())?;
        let changes = self.attachments.lock();
        if changes.is_handed_over() {
            return Err(PublishError::Attach(AttachError::Stopping));
        }
        let published = self.attachments.table().published(&attachment)?;
        if let Some(published) = published {
            return self.ensure_socket(&published);
        }
        self.check_host()?;
        attachment.class = self.attachments.class_of(&attachment.pool, attachment.class.take());
        self.publish_new(&attachment)?;
        drop(changes);
        self.host.changed();
        Ok(())
    }

    pub(super) fn unpublish(&self, request: &NodeUnpublishVolumeRequest) -> Result<(), UnpublishError> {
        let unpublished = request::unpublish(request, self.pods.path())?;
        let changes = self.attachments.lock();
        if changes.is_handed_over() {
            return Err(UnpublishError::Detach(DetachError::Stopping));
        }
        let volume_id = &request.volume_id;
        let (published, in_directory) = {
            let table = self.attachments.table();
            (table.by_volume(volume_id).cloned(), table.get(unpublished.uid()).cloned())
        };
        let is_there = |row: &Attachment| row.pod_volume().is_some() && target(row) == unpublished;
        match published.filter(is_there) {
            Some(attachment) => {
                self.unpublish_known(&attachment)?;
                drop(changes);
                self.host.changed();
                Ok(())
            }
            None if in_directory.as_ref().is_some_and(is_there) => Err(UnpublishError::AnotherVolume {
                volume_id: volume_id.clone(),
                target: unpublished.to_string(),
            }),
            // It was published before a reboot, or never.
            None => self.remove_directory(volume_id, &unpublished),
        }
    }

    /// The preconditions of a new volume.
    fn check_host(&self) -> Result<(), PublishError> {
        match self.host.pod_info() {
            PodInfo::Unknown => Err(PublishError::PodInfoUnknown),
            PodInfo::Off => Err(PublishError::PodInfoOff),
            PodInfo::Verified if !self.host.configured() => Err(PublishError::NotConfigured),
            PodInfo::Verified => Ok(()),
        }
    }

    /// The row is written first: after a crash, the next start completes or removes the volume by its row.
    fn publish_new(&self, attachment: &Attachment) -> Result<(), PublishError> {
        self.attachments.table().insert(attachment.clone()).map_err(|error| match error {
            // A VM with the pod's UID that is not the pod.
            InsertError::Conflict(error) => PublishError::Attach(error),
            InsertError::Journal(source) => {
                PublishError::Record { volume_id: volume(attachment).volume_id.clone(), source }
            }
        })?;
        self.attach(attachment).inspect_err(|_| self.undo(attachment))?;
        tracing::info!(
            vm = attachment.id,
            namespace = attachment.namespace,
            pod = volume(attachment).pod,
            pool = attachment.pool,
            class = attachment.class,
            "volume published"
        );
        Ok(())
    }

    /// Makes the socket listen, whatever the previous state, unless the VM was detached.
    fn ensure_socket(&self, attachment: &Attachment) -> Result<(), PublishError> {
        if volume(attachment).detached {
            return Ok(());
        }
        match self.attach(attachment) {
            Err(PublishError::Attach(AttachError::AlreadyAttached { .. })) => {}
            other => return other,
        }
        if self.pods.has_socket(&target(attachment)) {
            return Ok(());
        }
        // The directory was emptied or replaced.
        let _ = self.attachments.close_socket(&attachment.id);
        self.attach(attachment)
    }

    fn attach(&self, attachment: &Attachment) -> Result<(), PublishError> {
        let target = target(attachment);
        let directory = self.pods.make(&target).map_err(|source| PublishError::Directory {
            pod: volume(attachment).pod.clone(),
            target: target.to_string(),
            source,
        })?;
        let unlabelled = |source| PublishError::Label { target: target.to_string(), source };
        self.pods.label(directory.as_fd()).map_err(unlabelled)?;
        self.attach_in(attachment, directory.as_fd(), &target)?;
        self.pods.label_socket(directory.as_fd()).map_err(|source| {
            // No container could reach it.
            let _ = self.attachments.close_socket(&attachment.id);
            unlabelled(source)
        })
    }

    fn attach_in(
        &self,
        attachment: &Attachment,
        directory: BorrowedFd<'_>,
        target: &TargetPath,
    ) -> Result<(), PublishError> {
        let path = target.path(self.pods.path());
        let attached = self.attachments.dataplane().attach_in(attachment.request(), directory, &path);
        attached.map(drop).map_err(PublishError::Attach)
    }

    /// After most errors a kubelet does not call again to have things removed.
    fn undo(&self, attachment: &Attachment) {
        let directory = self.pods.remove(&target(attachment));
        let row = self.attachments.table().remove(&attachment.id);
        for error in [directory, row].into_iter().filter_map(Result::err) {
            tracing::warn!(vm = attachment.id, %error, "failed to remove what is left of a refused volume");
        }
    }

    fn unpublish_known(&self, attachment: &Attachment) -> Result<(), UnpublishError> {
        let PodVolume { volume_id, pod, .. } = volume(attachment);
        match self.attachments.close_socket(&attachment.id) {
            Ok(()) | Err(DetachError::UnknownVm { .. }) => {}
            Err(error @ DetachError::Stopping) => return Err(UnpublishError::Detach(error)),
        }
        self.remove_directory(volume_id, &target(attachment))?;
        let failed = |source| UnpublishError::Record { volume_id: volume_id.clone(), source };
        self.attachments.table().remove(&attachment.id).map_err(failed)?;
        tracing::info!(vm = attachment.id, namespace = attachment.namespace, pod, "volume unpublished");
        Ok(())
    }

    fn remove_directory(&self, volume_id: &str, target: &TargetPath) -> Result<(), UnpublishError> {
        self.pods.remove(target).map_err(|source| UnpublishError::Directory {
            volume_id: volume_id.to_owned(),
            target: target.to_string(),
            source,
        })
    }

    fn attach_again(&self, attachment: &Attachment) {
        if let Err(error) = self.ensure_socket(attachment) {
            let reason = error.reason();
            tracing::warn!(vm = attachment.id, reason, %error, "failed to restore the socket of a volume");
        }
    }

    fn drop_deleted(&self, attachment: &Attachment) {
        let _ = self.attachments.close_socket(&attachment.id);
        if let Err(error) = self.attachments.table().remove(&attachment.id) {
            tracing::warn!(vm = attachment.id, %error, "failed to remove the row of a pod that is gone");
        }
    }
}

fn volume(attachment: &Attachment) -> &PodVolume {
    attachment.pod_volume().expect("this module handles the rows of pods alone")
}

fn target(attachment: &Attachment) -> TargetPath {
    TargetPath::of(&attachment.id, &volume(attachment).name)
}
