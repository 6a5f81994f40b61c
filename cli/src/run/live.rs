//! A daemon at work: manifests that change, namespaces that come, and the end.

use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use agent::{ApplyError, Book};

use super::changes::changes;
use super::events::Event;
use super::files;
use super::start::Daemon;

/// An editor writes in several steps; for so long there must have been none.
const QUIET: Duration = Duration::from_millis(100);
/// So many steps are read in between, were there never quiet.
const STEPS: usize = 1_000;

/// Follows what happens until a signal comes, and says which.
pub(super) fn follow(daemon: &mut Daemon, events: &Receiver<Event>) -> &'static str {
    loop {
        match events.recv() {
            Ok(Event::Changed) => {
                if let Some(signal) = settle(daemon, events) {
                    return signal;
                }
                daemon.reread();
            }
            Ok(Event::Vms) => daemon.keep(),
            Ok(Event::Expect { namespace, done }) => daemon.expect(&namespace, done),
            Ok(Event::Stop(signal)) => return signal,
            // The watch and the API hold the other end for as long as the daemon lives.
            Err(_) => return "none",
        }
    }
}

/// Waits until the manifests stay as they are; a signal comes first.
fn settle(daemon: &mut Daemon, events: &Receiver<Event>) -> Option<&'static str> {
    for _ in 0..STEPS {
        match events.recv_timeout(QUIET) {
            Ok(Event::Changed) => {}
            Ok(Event::Vms) => daemon.keep(),
            Ok(Event::Expect { namespace, done }) => daemon.expect(&namespace, done),
            Ok(Event::Stop(signal)) => return Some(signal),
            Err(_) => return None,
        }
    }
    None
}

impl Daemon {
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
        if next.meet(namespace) {
            self.go_over_to(next);
        }
        drop(done);
    }

    fn go_over_to(&mut self, next: Book) {
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
        self.keeper.note(&self.agent, self.book.specs());
    }
}

/// Says why a configuration is not in force where another one is.
pub(super) fn not_served(error: ApplyError) {
    let reason = error.reason();
    let error = format!("{:#}", anyhow::Error::from(error));
    tracing::error!(reason, error, "not served; what was accepted last goes on");
}
