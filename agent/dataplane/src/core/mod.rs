//! The data plane's state and everything that its thread does with it: the batch, commands, hand-over.

mod accept;
pub(crate) mod apply;
mod attach;
mod batch;
mod close;
pub(crate) mod event_loop;
pub(crate) mod handover;
pub(crate) mod heartbeat;
mod persist;
mod snapshot;
pub(crate) mod state;
mod supply_state;
mod unsolicited;

pub use handover::{ConnectionState, HandoverOutcome, VmState};
pub use heartbeat::ASLEEP;
