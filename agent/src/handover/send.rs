//! Handing over, as every daemon does it.

use std::io;
use std::path::Path;

use super::{HandoverError, Recipient, Sockets};
use crate::agent::Agent;
use crate::checkpoint::{AcceptedSpecs, Checkpoint, HostDisk};
use crate::checkpointer::Checkpointer;

/// Hands to `recipient` all that `agent` has, once what is kept of it is on disk. If that does not take it, everything
/// goes on, and so does the keeper.
pub fn send<R: Recipient>(
    agent: &Agent,
    keeper: &mut Option<Checkpointer>,
    specs: AcceptedSpecs,
    state_dir: &Path,
    sockets: io::Result<Sockets>,
    recipient: R,
) -> Option<R::Heir> {
    // From what is written to the end of it nobody comes, moves or goes.
    let _still = agent.turn();
    let (unwritten, last_good) = match keeper.take() {
        Some(mut keeper) => {
            keeper.finish(agent, specs);
            let last_good = keeper.last_good().cloned();
            // On disk before anybody else reads it.
            (keeper.stop().map(|unwritable| unwritable.message), last_good)
        }
        None => (Some("changes are not kept any more: restart this daemon".to_owned()), None),
    };
    let handed = match unwritten {
        None => {
            let sockets = sockets.map_err(HandoverError::Sockets);
            sockets.and_then(|sockets| agent.hand_over(recipient, sockets))
        }
        Some(sentence) => {
            // What it would read is older than what runs: VMs attached since would lose their sockets.
            recipient.refuse(&sentence);
            Err(HandoverError::Unwritten(sentence))
        }
    };
    let error = match handed {
        Ok(heir) => return Some(heir),
        Err(error) => error,
    };
    tell(error);
    match keep_on(agent, state_dir) {
        Ok(mut kept) => {
            if let Some(last_good) = last_good {
                kept.set_last_good(last_good);
            }
            *keeper = Some(kept);
        }
        Err(error) => tracing::error!(%error, "changes are not kept any more"),
    }
    None
}

fn tell(error: HandoverError) {
    let (reason, settled) = (error.reason(), matches!(error, HandoverError::FdStoreFull(_)));
    let error = format!("{:#}", anyhow::Error::from(error));
    if settled {
        // By whoever wrote the unit.
        tracing::warn!(reason, error, "connections end with this daemon");
    } else {
        tracing::error!(reason, error, "not handed over; this daemon goes on");
    }
}

fn keep_on(agent: &Agent, state_dir: &Path) -> io::Result<Checkpointer> {
    let (checkpoint, found) = Checkpoint::open(HostDisk::new(state_dir));
    Checkpointer::start(checkpoint, found.state, agent)
}
