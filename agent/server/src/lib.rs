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
mod apply;
mod attach;
mod attach_error;
mod batch;
mod beat;
mod clock;
mod connection;
mod counters;
mod curbs;
mod drain;
mod due;
mod estate;
mod event_loop;
mod levels;
mod limits;
mod listen;
mod listen_error;
mod listen_tcp;
mod members;
mod ops;
mod options;
mod pace;
mod place;
mod plane;
mod poll;
mod pool;
mod portion;
mod publish;
mod push;
mod server;
mod setup;
mod slab;
mod snapshot;
mod sources;
#[cfg(feature = "stage")]
mod stage;
mod stall;
mod state_file;
mod supplies;
mod unasked;
mod unread;
mod vm;
mod waits;

pub use apply::ApplyError;
pub use attach_error::{AttachError, DetachError, MoveError};
pub use beat::ASLEEP;
pub use clock::now;
pub use counters::{Closed, Counters};
pub use curbs::Curbs;
pub use estate::{ConnectionEstate, Verdict, VmEstate};
pub use limits::make_room;
pub use listen::Owner;
pub use listen_error::ListenError;
pub use members::Overlimits;
pub use options::{Options, StartError, Stopped};
pub use place::{Address, PathError, Place, socket_path};
pub use publish::{Inode, bind_and_rename, inode};
pub use server::{Server, start};
pub use setup::{Attach, Client, Namespaces, PoolSetup, SupplySpec};
pub use snapshot::{
    ClassSnapshot, Level, LimitAt, NamespaceSnapshot, NodeSnapshot, PoolSnapshot, Snapshot, VmSnapshot,
    Waiting,
};
pub use sources::SourcesSnapshot;
#[cfg(feature = "stage")]
pub use stage::{Bell, Stage, Turn};
pub use waits::{WAIT_BOUNDS, Waits};
