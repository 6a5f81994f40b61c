//! Volumes that come and go.

use std::fmt::Debug;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataplane::{AttachError, AttachRequest, DetachError};

use super::book::{Book, PublishStep};
use super::check;
use super::directory::PodDirectories;
use super::error::{PublishError, UnpublishError};
use super::label::SelinuxLabels;
use super::record::VolumeRecord;
use super::request::{PublishRequest, UnpublishRequest};
use super::store::Store;
use super::target::TargetPath;
use crate::agent::Agent;
use crate::health::driver_registration::{RegistrationMonitor, RegistrationResult};

/// What is known of the kubelet's word on pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodInfo {
    /// Nobody has said anything yet.
    Unknown,
    /// The `CSIDriver` has no `podInfoOnMount`: what a volume says of its pod may be its author's.
    Off,
    /// The `CSIDriver` has been seen to have it.
    Verified,
}

/// Whoever runs the agent, as far as volumes need to know.
pub trait PodHost: Debug + Send + Sync + 'static {
    /// Whether to believe what a publish call says of its pod.
    fn pod_info(&self) -> PodInfo;

    /// Whether a configuration is in force, be it one without pools.
    fn configured(&self) -> bool;

    /// A pod has come or gone, or the kubelet knows the driver: there may be something to report.
    fn changed(&self);
}

/// The volumes of a node. Calls are done one after the other; each takes a few turns of the data plane.
#[derive(Debug)]
pub struct Volumes {
    agent: Arc<Agent>,
    host: Arc<dyn PodHost>,
    pods: PodDirectories,
    labels: SelinuxLabels,
    store: Store,
    book: Mutex<Book>,
    /// Another process has the volumes.
    left: AtomicBool,
}

impl Volumes {
    /// Takes over the volumes of which `records` tell; `pods` is the directory of the kubelet's pods. Sockets come
    /// with [`settle`](Self::settle).
    pub fn open(
        agent: Arc<Agent>,
        host: Arc<dyn PodHost>,
        pods: PathBuf,
        records: PathBuf,
    ) -> io::Result<Self> {
        let store = Store::open(records)?;
        let mut book = Book::default();
        for record in store.load()? {
            match record {
                Ok(record) => {
                    let record = record.understood();
                    agent.places().came(&record.uid, record.place.as_deref());
                    book.insert(record);
                }
                Err(error) => tracing::error!(%error, "a volume is forgotten"),
            }
        }
        Ok(Self {
            agent,
            host,
            pods: PodDirectories::at(pods),
            labels: SelinuxLabels::of_host(),
            store,
            book: Mutex::new(book),
            left: AtomicBool::new(false),
        })
    }

    /// What the kubelet makes of the driver that these are volumes of.
    pub(super) fn kubelet(&self) -> &RegistrationMonitor {
        self.agent.driver_registration()
    }

    /// The kubelet has said something of the driver.
    pub(super) fn kubelet_said(&self, word: RegistrationResult) {
        if self.kubelet().set_result(word) {
            self.host.changed();
        }
    }

    /// The VMs of all volumes that are to have a socket.
    pub(crate) fn wanted(&self) -> Vec<AttachRequest> {
        self.book().records().filter(|record| !record.cut).map(VolumeRecord::attach).collect()
    }

    /// Until this is dropped no volume comes or goes: the kubelet waits.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Book> {
        self.book()
    }

    /// Another process has the volumes: nothing of them is changed from here any more. To be called while they are held,
    /// so that who waits hears it.
    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// Gives every volume its socket that has none, and forgets those whose pods are gone. To be called when a
    /// configuration has come into force: before, nothing can be attached.
    pub fn settle(&self) {
        let mut book = self.book();
        let records: Vec<VolumeRecord> = book.records().cloned().collect();
        for record in records {
            match self.pods.knows(&record.target()) {
                Ok(false) => self.forget(&mut book, &record),
                Ok(true) | Err(_) => self.attach_again(&record),
            }
        }
    }

    /// A VM is in another class from now on, also after a restart.
    pub fn moved(&self, uid: &str, class: &str) {
        let class = Some(class.to_owned()).filter(|class| !class.is_empty());
        self.change(uid, |record| {
            record.class = class;
            self.settle_class(record);
        });
    }

    /// A VM has been cut off, and stays so until its pod ends.
    pub fn cut(&self, uid: &str) {
        self.change(uid, |record| record.cut = true);
    }

    /// A VM for which no class is named is in the default one of now, also when that is not the default any more.
    fn settle_class(&self, record: &mut VolumeRecord) {
        let none = record.class.is_none();
        record.by_default = none.then(|| self.agent.class_of(&record.pool, None)).flatten();
    }

    /// Keeps what was done to a VM, also over a restart. One that is no volume's is kept elsewhere.
    fn change(&self, uid: &str, done: impl FnOnce(&mut VolumeRecord)) {
        let mut book = self.book();
        let Some(mut record) = book.by_uid(uid).filter(|_| !self.has_left()).cloned() else { return };
        done(&mut record);
        if let Err(error) = self.store.write(&record) {
            tracing::error!(vm = uid, %error, "what was done to it will be forgotten when the agent restarts");
        }
        book.insert(record);
    }

    pub(crate) fn publish(&self, asked: &PublishRequest) -> Result<(), PublishError> {
        let mut record = check::publish(asked, self.pods.path())?;
        let mut book = self.book();
        if self.has_left() {
            return Err(PublishError::Attach(AttachError::Stopping));
        }
        match book.step(&record)? {
            PublishStep::Again => {
                let known = book.by_uid(&record.uid).cloned().unwrap_or(record);
                self.serve(&known)
            }
            PublishStep::New => {
                self.expect()?;
                self.settle_class(&mut record);
                self.begin(&record)?;
                book.insert(record);
                drop(book);
                self.host.changed();
                Ok(())
            }
        }
    }

    pub(crate) fn unpublish(&self, asked: &UnpublishRequest) -> Result<(), UnpublishError> {
        let target = check::unpublish(asked, self.pods.path())?;
        let mut book = self.book();
        if self.has_left() {
            return Err(UnpublishError::Detach(DetachError::Stopping));
        }
        let volume_id = &asked.volume_id;
        match book.published(volume_id, &target).cloned() {
            Some(record) => {
                self.end(&record)?;
                book.remove(volume_id);
                drop(book);
                self.host.changed();
                Ok(())
            }
            None if book.holds(&target) => Err(UnpublishError::AnotherVolume {
                volume_id: volume_id.clone(),
                target: target.to_string(),
            }),
            // Published before a reboot, or never.
            None => self.clear(volume_id, &target),
        }
    }

    /// What has to be so before a new pod can be judged.
    fn expect(&self) -> Result<(), PublishError> {
        match self.host.pod_info() {
            PodInfo::Unknown => Err(PublishError::PodInfoUnknown),
            PodInfo::Off => Err(PublishError::PodInfoOff),
            PodInfo::Verified if !self.host.configured() => Err(PublishError::NotConfigured),
            PodInfo::Verified => Ok(()),
        }
    }

    /// The record first: whatever a crash leaves has one, and whoever starts next ends what was begun.
    fn begin(&self, record: &VolumeRecord) -> Result<(), PublishError> {
        let failed = |source| PublishError::Record { volume_id: record.volume_id.clone(), source };
        self.store.write(record).map_err(failed)?;
        self.agent.places().came(&record.uid, record.place.as_deref());
        // Whoever is attached under that id already is not this pod.
        self.attach(record).inspect_err(|_| self.undo(record))?;
        tracing::info!(
            vm = record.uid,
            namespace = record.namespace,
            pod = record.pod,
            pool = record.pool,
            class = record.class,
            "volume published"
        );
        Ok(())
    }

    /// After this there is a socket that listens, whatever there was before; or none, if it was cut off.
    fn serve(&self, record: &VolumeRecord) -> Result<(), PublishError> {
        if record.cut {
            return Ok(());
        }
        match self.attach(record) {
            Err(PublishError::Attach(AttachError::AlreadyAttached { .. })) => {}
            other => return other,
        }
        if self.pods.has_socket(&record.target()) {
            return Ok(());
        }
        // Somebody has cleared the directory, or it was made anew.
        let _ = self.agent.detach(&record.uid);
        self.attach(record)
    }

    fn attach(&self, record: &VolumeRecord) -> Result<(), PublishError> {
        let target = record.target();
        let made = self.pods.make(&target).map_err(|source| {
            let (pod, target) = (record.pod.clone(), record.target().to_string());
            PublishError::Directory { pod, target, source }
        })?;
        let path = target.path(self.pods.path());
        let unlabelled = |source| PublishError::Label { target: target.to_string(), source };
        self.labels.directory(made.as_fd()).map_err(unlabelled)?;
        self.agent.attach_in(record.attach(), made.as_fd(), &path).map_err(PublishError::Attach)?;
        self.labels.socket(made.as_fd()).map_err(|source| {
            // Nobody could reach it.
            let _ = self.agent.detach(&record.uid);
            PublishError::Label { target: target.to_string(), source }
        })
    }

    /// After most refusals a kubelet never comes back to have things removed.
    fn undo(&self, record: &VolumeRecord) {
        self.agent.places().went(&record.uid);
        let (directory, kept) = (self.pods.remove(&record.target()), self.store.remove(&record.volume_id));
        for error in [directory, kept].into_iter().filter_map(Result::err) {
            tracing::warn!(vm = record.uid, %error, "what a refused volume left cannot be removed");
        }
    }

    fn end(&self, record: &VolumeRecord) -> Result<(), UnpublishError> {
        match self.agent.detach(&record.uid) {
            Ok(()) | Err(DetachError::UnknownVm { .. }) => {}
            Err(error @ DetachError::Stopping) => return Err(UnpublishError::Detach(error)),
        }
        self.clear(&record.volume_id, &record.target())?;
        let failed = |source| UnpublishError::Record { volume_id: record.volume_id.clone(), source };
        self.store.remove(&record.volume_id).map_err(failed)?;
        self.agent.places().went(&record.uid);
        tracing::info!(vm = record.uid, namespace = record.namespace, pod = record.pod, "volume unpublished");
        Ok(())
    }

    fn clear(&self, volume_id: &str, target: &TargetPath) -> Result<(), UnpublishError> {
        self.pods.remove(target).map_err(|source| UnpublishError::Directory {
            volume_id: volume_id.to_owned(),
            target: target.to_string(),
            source,
        })
    }

    fn attach_again(&self, record: &VolumeRecord) {
        if let Err(error) = self.serve(record) {
            let reason = error.reason();
            tracing::warn!(vm = record.uid, reason, %error, "a volume has no socket for now");
        }
    }

    fn forget(&self, book: &mut Book, record: &VolumeRecord) {
        let _ = self.agent.detach(&record.uid);
        match self.store.remove(&record.volume_id) {
            Ok(()) => {
                self.agent.places().went(&record.uid);
                book.remove(&record.volume_id);
            }
            Err(error) => tracing::warn!(vm = record.uid, %error, "the record of a pod that is gone stays"),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in there is ever half changed.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
