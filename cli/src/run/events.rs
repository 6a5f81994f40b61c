//! What a running daemon is told.

use std::sync::mpsc::{self, Receiver, Sender};

use agent::{Host, Successor};

/// Something happened outside.
#[derive(Debug)]
pub(super) enum Event {
    /// A manifest may have changed.
    Changed,
    /// A VM has come, moved or gone.
    Vms,
    /// A VM of this namespace is about to come; whoever says so waits until `done` is dropped.
    Expect { namespace: String, done: Sender<()> },
    /// Another process wants to take over.
    HandOver(Successor),
    /// A signal asks for the end.
    Stop(&'static str),
}

/// The way into the daemon's thread.
#[derive(Clone, Debug)]
pub(super) struct Events(Sender<Event>);

/// A way in, and its other end.
pub(super) fn channel() -> (Events, Receiver<Event>) {
    let (send, receive) = mpsc::channel();
    (Events(send), receive)
}

impl Events {
    /// Says that a manifest may have changed.
    pub(super) fn changed(&self) {
        self.send(Event::Changed);
    }

    /// Says that another process wants to take over.
    pub(super) fn hand_over(&self, successor: Successor) {
        self.send(Event::HandOver(successor));
    }

    fn send(&self, event: Event) {
        // A daemon that no longer listens is on its way out.
        let _ = self.0.send(event);
    }
}

impl Host for Events {
    fn expect(&self, namespace: &str) {
        let (done, wait) = mpsc::channel();
        self.send(Event::Expect { namespace: namespace.to_owned(), done });
        // It ends when `done` is dropped, whether the event was heard or not.
        let _ = wait.recv();
    }

    fn vms_changed(&self) {
        self.send(Event::Vms);
    }

    fn stop(&self, signal: &'static str) {
        self.send(Event::Stop(signal));
    }
}
