//! The data plane's state and everything that its thread does with it: the batch, commands, hand-over.

mod accept;
mod apply;
mod attach;
mod batch;
mod close;
mod event_loop;
mod handover;
mod heartbeat;
mod persist;
mod recover;
mod snapshot;
mod state;
mod stored_sockets;
mod supply_state;
mod unsolicited;
mod update_store;

pub use handover::{ConnectionState, HandoverOutcome, VmState};
pub use heartbeat::ASLEEP;
pub use recover::recover;

pub(crate) use apply::prepare;
pub(crate) use event_loop::{LoopCommand, run};
pub(crate) use heartbeat::Heartbeat;
pub(crate) use state::DataPlane;
pub(crate) use stored_sockets::StoredSockets;
