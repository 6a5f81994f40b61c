//! A daemon at work: manifests that change, namespaces that come, and the end.

use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use agent::{ApplyError, ManifestSet, PendingSuccessor};

use super::config_diff::changes;
use super::events::Event;
use super::files;
use super::start::Daemon;

/// An editor writes in several steps; for so long there must have been none.
const QUIET: Duration = Duration::from_millis(100);
/// So many steps are read in between, were there never quiet.
const STEPS: usize = 1_000;

/// Why a daemon ends.
pub(super) enum End {
    /// This signal came.
    Signal(&'static str),
    /// Another process serves now.
    HandedOver(PendingSuccessor),
}

/// Follows what happens until there is an end to it.
pub(super) fn follow(daemon: &mut Daemon, events: &Receiver<Event>) -> End {
    loop {
        match events.recv() {
            Ok(Event::Changed) => {
                if let Some(end) = settle(daemon, events) {
                    return end;
                }
                daemon.reread();
            }
            Ok(event) => {
                if let Some(end) = daemon.meet(event) {
                    return end;
                }
            }
            // The watch and the API hold the other end for as long as the daemon lives.
            Err(_) => return End::Signal("none"),
        }
    }
}

/// Waits until the manifests stay as they are; a signal comes first.
fn settle(daemon: &mut Daemon, events: &Receiver<Event>) -> Option<End> {
    for _ in 0..STEPS {
        let event = events.recv_timeout(QUIET).ok()?;
        let end = daemon.meet(event);
        if end.is_some() {
            return end;
        }
    }
    None
}

impl Daemon {
    /// Whatever happens but a change of the manifests.
    fn meet(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Changed => None,
            Event::Vms => {
                self.keep();
                None
            }
            Event::Expect { namespace, done } => {
                self.expect(&namespace, done);
                None
            }
            Event::HandOver(successor) => self.hand_over(successor).map(End::HandedOver),
            Event::Stop(signal) => Some(End::Signal(signal)),
        }
    }

    /// Reads the manifests anew. What cannot be taken leaves in force what is.
    fn reread(&mut self) {
        if let Err(error) = self.watch.renew() {
            tracing::error!(error = format!("{error:#}"), "changes of the manifests may go unnoticed");
        }
        let mut next = self.book.clone();
        let verdict = next.read(files::read(&self.roots));
        for note in &verdict.noted {
            tracing::warn!(note, "in the manifests");
        }
        verdict.complain();
        self.go_over_to(next);
    }

    /// A selector may name a namespace of which there was no VM before.
    fn expect(&mut self, namespace: &str, done: Sender<()>) {
        let mut next = self.book.clone();
        if next.add_namespace(namespace) {
            self.go_over_to(next);
        }
        drop(done);
    }

    fn go_over_to(&mut self, next: ManifestSet) {
        let changes = changes(self.book.config(), next.config());
        if !changes.is_empty()
            && let Err(error) = self.agent.apply(next.config())
        {
            not_served(error);
            return;
        }
        for change in &changes {
            let class = change.class.as_deref();
            tracing::info!(pool = change.pool, class, change = %change.what, "in force");
        }
        self.book = next;
        self.keep();
    }

    /// Has the checkpoint know what is new.
    pub(super) fn keep(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.note(&self.agent, self.book.specs());
        }
    }
}

/// Says why a configuration is not in force where another one is.
pub(super) fn not_served(error: ApplyError) {
    let reason = error.reason();
    let error = format!("{:#}", anyhow::Error::from(error));
    tracing::error!(reason, error, "not served; what was accepted last goes on");
}
