//! The data plane: one thread that owns the sockets, the connections, the class trees and the clock.
//!
//! Each batch reads everything that is ready, lets the trees decide, then writes; between batches the thread sleeps
//! until an event or the next grant. There are no locks in it and no message per request: other threads send commands
//! over a channel and wake the loop, which answers the same way.
//!
//! What it refuses to do: leave a socket unread, whatever its VM has used up (the virtual machine would block in
//! `write`); buffer random bytes per connection (each write draws them from the pool); wake up while nothing is
//! requested; and let one VM's garbage, flood or silence affect another.
//!
//! From the top: `handle` and `sim` drive `core`, which is built on `connection`, `pool` and `vm`; these are built on
//! `listener`, `persist`, `poll` and `socket_store`. No file imports one above it.
//!
//! Start with [`start`], which returns a [`DataPlaneHandle`].
#![deny(unsafe_code)]

mod clock;
mod config;
mod connection;
mod core;
mod counters;
mod descriptors;
mod error;
mod handle;
mod listener;
mod options;
mod persist;
mod poll;
mod pool;
#[cfg(feature = "simulation")]
mod sim;
mod snapshot;
mod socket_store;
mod vm;

use htb::slab;

pub use crate::clock::now;
pub use config::{AllowedNamespaces, AttachRequest, Client, PoolConfig, SupplySpec};
pub use counters::{Closed, Counters};
pub use descriptors::make_room;
pub use error::{ApplyError, AttachError, DetachError, MoveError};
pub use handle::{DataPlaneHandle, SourcesSnapshot, start, start_with_store};
pub use listener::{
    Address, Inode, ListenError, ListenerLocation, PathError, SocketOwner, bind_and_rename, inode,
    socket_path,
};
pub use options::{DataPlaneOptions, StartError, Stopped};
pub use pool::{Overlimits, WAIT_BOUNDS, WaitHistogram};
#[cfg(feature = "simulation")]
pub use sim::{Simulated, Step, Waker};
pub use snapshot::{
    ClassSnapshot, DataPlaneSnapshot, Level, LimitAt, NamespaceSnapshot, NodeSnapshot, PoolSnapshot,
    VmSnapshot, Waiting,
};
pub use socket_store::{ListenerFile, SocketStore, SocketStoreLink, StoredSocket};
pub use vm::LimitHits;

pub use crate::core::{ASLEEP, ConnectionState, HandoverOutcome, VmState, recover};
