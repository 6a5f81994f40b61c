//! The daemon: one for a node, which follows a controller, and for a host, which follows manifest files.
//!
//! [`run_node`] and [`run_host`] differ in their [`ConfigSource`](crate::config::ConfigSource) and in what they add: CSI
//! on a node; VMs of the command line, and systemd, on a host. Start, event loop, hand-over and end are [`Daemon`](run::Daemon)'s.
//!
//! Five mechanisms let VMs outlive a process, each for another kind of restart:
//!
//! | restart | mechanism | keeps |
//! |---|---|---|
//! | the worker crashes or hangs | [`supervisor`](crate::supervisor): starts the next worker at once | nothing itself |
//! | the same | crash state of the data plane: a mapped file in the run directory | tokens and debts |
//! | any, also a reboot | [`checkpoint`](crate::checkpoint) in the state directory | configuration, attached VMs, served totals |
//! | planned, both overlap: update, new pod | [`handover`](crate::handover) to a successor | connections and all of the above |
//! | planned, one after the other: `systemctl restart` | systemd's file descriptor store, in the format of the hand-over | the same |

mod args;
mod checkpointer;
mod csi;
mod handover;
mod host;
mod node;
mod options;
mod run;
mod run_dir;
mod run_dir_repair;
mod start;
mod store;

pub use args::{HostArgs, NodeArgs};
pub use host::run_host;
pub use node::run_node;
