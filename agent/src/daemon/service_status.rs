//! The line that `systemctl status` shows of a host's daemon.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dataplane::PoolSnapshot;
use source::{PoolStatus, Serving};

use crate::agent::Agent;
use crate::health::refused_manifests::RefusedManifests;
use crate::sd_notify::ServiceManager;

/// How often the line is renewed where nothing asks for it: VMs begin and cease to wait without an event.
const INTERVAL: Duration = Duration::from_secs(15);

/// The thread that sends the line. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct ServiceStatus {
    /// `None` only while it is dropped.
    changed: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServiceStatus {
    /// `None` where no service manager shows it.
    pub(super) fn start(agent: &Arc<Agent>) -> Option<Self> {
        let manager = ServiceManager::here()?;
        let (changed, receiver) = mpsc::channel();
        let agent = Arc::clone(agent);
        let thread = thread::Builder::new()
            .name("service-status".to_owned())
            .spawn(move || run(&manager, &agent, &receiver))
            .inspect_err(|error| tracing::warn!(%error, "failed to start the thread of the service status"))
            .ok()?;
        Some(Self { changed: Some(changed), thread: Some(thread) })
    }

    /// Something happened that the line may tell.
    pub(super) fn changed(&self) {
        let _ = self.changed.as_ref().map(|changed| changed.send(()));
    }
}

impl Drop for ServiceStatus {
    fn drop(&mut self) {
        self.changed = None;
        // A panic has been reported already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(manager: &ServiceManager, agent: &Agent, changed: &Receiver<()>) {
    let mut sent = String::new();
    loop {
        if let Ok(snapshot) = agent.server().snapshot() {
            let refused = agent.health().get().refused_manifests;
            let line = line(&snapshot.pools, &agent.server().sources().pools, refused.as_ref());
            // Where the message is lost, the next line may come through.
            if line != sent && manager.notify(&format!("STATUS={line}")).is_ok() {
                sent = line;
            }
        }
        match changed.recv_timeout(INTERVAL) {
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(RecvTimeoutError::Timeout) => changed.try_iter().for_each(drop),
        }
    }
}

/// `2 pools, 14 VMs, 3 waiting; pool trng is held; manifests refused at 14:17 UTC`.
fn line(pools: &[PoolSnapshot], sources: &[PoolStatus], refused: Option<&RefusedManifests>) -> String {
    let vms = || pools.iter().flat_map(|pool| &pool.vms);
    let waiting = vms().filter(|vm| vm.waiting.is_some()).count();
    let mut line =
        format!("{}, {}, {waiting} waiting", count(pools.len(), "pool"), count(vms().count(), "VM"));
    for pool in sources {
        match pool.serving {
            Serving::Held => _ = write!(line, "; pool {} serves nothing", pool.name),
            Serving::Degraded => _ = write!(line, "; pool {} is degraded", pool.name),
            Serving::Starting | Serving::Promised => {}
        }
    }
    if let Some(refused) = refused {
        _ = write!(line, "; manifests refused at {}", time_of_day(refused.timestamp()));
    }
    line
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Hours and minutes. The service manager's own times are local; this process knows no time zone.
fn time_of_day(timestamp: u64) -> String {
    let minutes = timestamp / 60;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_line_counts_and_says_what_was_refused() {
        assert_eq!(line(&[], &[], None), "0 pools, 0 VMs, 0 waiting");
        let at = UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + 14 * 3_600 + 17 * 60 + 59);
        let refused = RefusedManifests { at, problems: vec!["a sentence".to_owned()] };
        let said = line(&[], &[], Some(&refused));
        assert_eq!(said, "0 pools, 0 VMs, 0 waiting; manifests refused at 14:17 UTC");
        assert_eq!([0, 1, 2].map(|number| count(number, "VM")), ["0 VMs", "1 VM", "2 VMs"]);
    }
}
