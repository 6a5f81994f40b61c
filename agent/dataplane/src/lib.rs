//! The data plane: one thread that owns the sockets, the connections, the class trees and the clock.
//!
//! It reads everything that is ready, asks the trees, then writes; it sleeps until the instant of the next grant.
//! There is no lock in it and no message per request: commands come from other threads by a channel and a bell,
//! answers go back the same way.
//!
//! What it refuses to do: to leave a socket unread, whatever its VM has used up (a virtual machine would freeze in
//! `write`); to keep random bytes for a connection (they are taken from the pool by the write itself); to wake up
//! when nothing is asked; and to let one VM's garbage, flood or silence be felt by another.
//!
//! Start with [`start`], which gives a [`Server`].
#![deny(unsafe_code)]

mod accept;
mod address;
mod apply;
mod attach;
mod attach_error;
mod batch;
mod bind;
mod clock;
mod command_limiter;
mod command_timeout;
mod config;
mod connection;
mod counters;
mod crash_state;
mod drain;
mod event_loop;
mod handle;
mod handover;
mod heartbeat;
mod limit_hits;
mod limits;
mod listener;
mod listener_error;
mod listener_tcp;
mod members;
mod options;
mod persist;
mod poll;
mod pool;
mod push;
mod read_budget;
mod send_queue;
#[cfg(feature = "stage")]
mod sim;
mod snapshot;
mod sources;
mod state;
mod supply_state;
mod unsolicited;
mod vm;
mod wait_histogram;

use htb::slab;

pub use crate::clock::now;
pub use address::{Address, ListenerLocation, PathError, socket_path};
pub use apply::ApplyError;
pub use attach_error::{AttachError, DetachError, MoveError};
pub use bind::{Inode, bind_and_rename, inode};
pub use config::{AttachRequest, Client, Namespaces, PoolConfig, SupplySpec};
pub use counters::{Closed, Counters};
pub use handle::{DataPlaneHandle, start};
pub use handover::{ConnectionState, HandoverOutcome, VmState};
pub use heartbeat::ASLEEP;
pub use limit_hits::LimitHits;
pub use limits::make_room;
pub use listener::SocketOwner;
pub use listener_error::ListenError;
pub use members::Overlimits;
pub use options::{DataPlaneOptions, StartError, Stopped};
#[cfg(feature = "stage")]
pub use sim::{Simulated, Step, Waker};
pub use snapshot::{
    ClassSnapshot, Level, LimitAt, NamespaceSnapshot, NodeSnapshot, PoolSnapshot, Snapshot, VmSnapshot,
    Waiting,
};
pub use sources::SourcesSnapshot;
pub use wait_histogram::{WAIT_BOUNDS, WaitHistogram};
