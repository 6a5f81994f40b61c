//! What a running node agent is told.

use std::sync::mpsc::{self, Receiver, Sender};

use crate::api::Host;
use crate::checkpoint::LastGood;
use crate::controller_client::PersistConfig;
use crate::handover::Successor;

/// Something happened outside.
#[derive(Debug)]
pub(super) enum Event {
    /// A VM has come, moved or gone.
    Vms,
    /// A VM is in another class.
    Moved {
        /// Which.
        vm: String,
        /// Empty for its pool's default one.
        class: String,
    },
    /// Somebody has cut a VM off.
    Detached {
        /// Which.
        vm: String,
    },
    /// This is in force now.
    InForce(LastGood),
    /// Another process wants to take over.
    HandOver(Successor),
    /// A signal asks for the end.
    Stop(&'static str),
}

/// The way into the agent's first thread.
#[derive(Clone, Debug)]
pub(super) struct Events(Sender<Event>);

/// A way in, and its other end.
pub(super) fn channel() -> (Events, Receiver<Event>) {
    let (send, receive) = mpsc::channel();
    (Events(send), receive)
}

impl Events {
    /// Says that another process wants to take over.
    pub(super) fn hand_over(&self, successor: Successor) {
        self.send(Event::HandOver(successor));
    }

    fn send(&self, event: Event) {
        // An agent that no longer listens is on its way out.
        let _ = self.0.send(event);
    }
}

impl Host for Events {
    fn expect(&self, _namespace: &str) {
        // The controller knows the namespaces.
    }

    fn vms_changed(&self) {
        self.send(Event::Vms);
    }

    fn moved(&self, vm: &str, class: &str) {
        self.send(Event::Moved { vm: vm.to_owned(), class: class.to_owned() });
    }

    fn detached(&self, vm: &str) {
        self.send(Event::Detached { vm: vm.to_owned() });
    }

    fn stop(&self, signal: &'static str) {
        self.send(Event::Stop(signal));
    }
}

impl PersistConfig for Events {
    fn keep(&self, last_good: LastGood) {
        self.send(Event::InForce(last_good));
    }

    fn moved(&self, vm: &str, class: &str) {
        Host::moved(self, vm, class);
        Host::vms_changed(self);
    }
}
