//! The events of a daemon's main thread.

use std::sync::mpsc::{self, Receiver, Sender};

use crate::api::Host;
use crate::checkpoint::LastGood;
use crate::controller_client::PersistConfig;
use crate::handover::Successor;

#[derive(Debug)]
pub(crate) enum DaemonEvent {
    /// For the configuration source.
    Config(ConfigEvent),
    /// A VM was attached, moved or detached.
    VmsChanged,
    /// Another process asks to take over.
    HandOver(Successor),
    /// Files of the run directory may have been removed.
    RunDirChanged,
    /// A signal asks the daemon to end.
    Stop(&'static str),
}

/// An event that the configuration source handles.
#[derive(Debug)]
pub(crate) enum ConfigEvent {
    /// The subscription has applied this configuration of the controller.
    Applied(LastGood),
    /// The manifests are being read, since they may have changed.
    ManifestsReading,
    /// That takes long.
    ManifestsSlow,
    /// They can be taken from their reader.
    ManifestsRead,
    /// A signal asks for the configuration to be read.
    ReloadRequested,
    /// A VM of this namespace is about to be attached. The caller waits until `done` is dropped.
    NamespaceExpected { namespace: String, done: Sender<()> },
}

/// Sends events to the daemon's main thread.
#[derive(Clone, Debug)]
pub(crate) struct DaemonEvents {
    sender: Sender<DaemonEvent>,
    expects_namespaces: bool,
}

/// The channel to the daemon's main thread. With `expects_namespaces`, an attach waits until the configuration source
/// knows the VM's namespace; a controller knows all namespaces by itself.
pub(crate) fn channel(expects_namespaces: bool) -> (DaemonEvents, Receiver<DaemonEvent>) {
    let (sender, receiver) = mpsc::channel();
    (DaemonEvents { sender, expects_namespaces }, receiver)
}

impl DaemonEvents {
    pub(crate) fn manifests_reading(&self) {
        self.send(DaemonEvent::Config(ConfigEvent::ManifestsReading));
    }

    pub(crate) fn manifests_read(&self) {
        self.send(DaemonEvent::Config(ConfigEvent::ManifestsRead));
    }

    pub(crate) fn run_dir_changed(&self) {
        self.send(DaemonEvent::RunDirChanged);
    }

    pub(crate) fn hand_over(&self, successor: Successor) {
        self.send(DaemonEvent::HandOver(successor));
    }

    fn send(&self, event: DaemonEvent) {
        // The receiver is gone only while the daemon ends.
        let _ = self.sender.send(event);
    }
}

impl Host for DaemonEvents {
    fn expect(&self, namespace: &str) {
        if !self.expects_namespaces {
            return;
        }
        let (done, wait) = mpsc::channel();
        self.send(DaemonEvent::Config(ConfigEvent::NamespaceExpected {
            namespace: namespace.to_owned(),
            done,
        }));
        // Ends when `done` is dropped, whether the event was handled or not.
        let _ = wait.recv();
    }

    fn vms_changed(&self) {
        self.send(DaemonEvent::VmsChanged);
    }

    fn stop(&self, signal: &'static str) {
        self.send(DaemonEvent::Stop(signal));
    }

    fn reload(&self) {
        self.send(DaemonEvent::Config(ConfigEvent::ReloadRequested));
    }
}

impl PersistConfig for DaemonEvents {
    fn applied(&self, last_good: LastGood) {
        self.send(DaemonEvent::Config(ConfigEvent::Applied(last_good)));
    }

    fn vms_changed(&self) {
        Host::vms_changed(self);
    }
}
