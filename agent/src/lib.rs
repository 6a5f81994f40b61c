//! The agent, assembled: a node's configuration on one side, the data plane on the other, and whoever is on the
//! host in between.
//!
//! What it does is in the crates below it. Here a host's manifests become its configuration ([`Book`]); in a cluster
//! that comes over a stream ([`subscribe`]). Configurations become pools ([`Agent::apply`]), and people, hooks and
//! scripts are answered ([`LocalApi`]). It refuses to decide: what is served is `plan`'s decision, who
//! gets it next is `htb`'s. Start with [`Agent`].
#![deny(unsafe_code)]

mod agent;
mod api;
mod apply;
pub mod checkpoint;
mod checkpointer;
pub mod controller_client;
pub mod csi;
mod directories;
mod handover;
mod health;
mod kubelet;
mod manifests;
pub mod metrics;
pub mod node;
mod orphans;
mod places;
mod process_hardening;
mod roll;
mod sd_notify;
mod signals;
mod sources;
mod supervisor;
mod vmgenid;

pub use agent::Agent;
pub use api::{ApiError, ApiSocket, Host, LocalApi, OWNER_ONLY, SocketError, outlive, vacant};
pub use apply::{ApplyError, apply, setups};
pub use checkpointer::{Checkpointer, beside};
pub use directories::{CreatedDirectories, Directories};
#[cfg(feature = "stage")]
pub use handover::rehearse;
pub use handover::{
    Bound, ExpectedVms, HandoverError, HandoverListener, HandoverSource, HandoverState, PendingSuccessor,
    PodGeneration, Predecessor, PredecessorGuard, ReceiveError, Received, Recipient, Sockets, StoredHandover,
    Successor, SuccessorWait, SystemdFdStore, send,
};
pub use manifests::{HOST, ManifestSet, ReadOutcome};
pub use process_hardening::disable_core_dumps;
pub use roll::lament;
pub use sd_notify::notify_ready;
pub use sources::SourceSpecError;
pub use supervisor::{ListenFd, OnSuccess, TRY_AGAIN, Worker, supervise};
