//! The agent, assembled: a node's configuration on one side, the data plane on the other, and whoever is on the
//! host in between.
//!
//! What it does is in the crates below it. Here a host's manifests become its configuration ([`Book`]); in a cluster
//! that comes over a stream ([`subscribe`]). Configurations become pools ([`Agent::apply`]), and people, hooks and
//! scripts are answered ([`LocalApi`]). It refuses to decide: what is served is `plan`'s decision, who
//! gets it next is `htb`'s. Start with [`Agent`].
#![deny(unsafe_code)]

mod agent;
mod apply;
mod book;
pub mod checkpoint;
mod clone;
mod core_dump;
pub mod csi;
mod directories;
mod disorder;
mod handover;
mod keeper;
mod kubelet;
mod local;
mod log;
pub mod metrics;
pub mod node;
mod notify;
mod places;
mod remains;
mod roll;
mod signals;
mod sources;
pub mod subscribe;
mod supervisor;

pub use agent::Agent;
pub use apply::{ApplyError, apply, setups};
pub use book::{Book, HOST, Verdict};
pub use core_dump::leave_no_core;
pub use directories::{Directories, Made};
#[cfg(feature = "stage")]
pub use handover::rehearse;
pub use handover::{
    Before, Birth, Bound, Door, Estate, HandOverError, Heir, Kept, Predecessor, Recipient, Relieved, Sockets,
    Store, Successor, TakeOverError, Taken, Vigil, Wanted, give,
};
pub use keeper::{Keeper, beside};
pub use local::{ApiSocket, Host, LocalApi, OWNER_ONLY, ServeError, SocketError, outlive, vacant};
pub use log::{LogError, log_to_stderr};
pub use notify::notify_ready;
pub use roll::lament;
pub use sources::SpecError;
pub use supervisor::{Afterwards, Passed, TRY_AGAIN, Worker, supervise};
