//! The agent, assembled: a node's configuration on one side, the data plane on the other, and whoever is on the
//! host in between.
//!
//! What it does is in the crates below it. Here configurations become pools ([`Agent::apply`]), and people,
//! hooks and scripts are answered ([`LocalApi`]). It refuses to decide: what is served is `plan`'s decision, who
//! gets it next is `htb`'s. Start with [`Agent`].
#![forbid(unsafe_code)]

mod agent;
mod apply;
pub mod checkpoint;
mod keeper;
mod local;
mod roll;
mod signals;
mod sources;

pub use agent::Agent;
pub use apply::{ApplyError, apply};
pub use keeper::Keeper;
pub use local::{ApiSocket, Host, LocalApi, OWNER_ONLY, ServeError, SocketError, vacant};
pub use sources::SpecError;
