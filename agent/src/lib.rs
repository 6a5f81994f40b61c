//! The agent: a daemon that applies a configuration to the data plane and manages the VMs of a host or node.
//!
//! Its two programs call [`run_node`], which follows a controller, and [`run_host`], which follows manifest files. The other
//! exports read manifests and checkpoints without a daemon. What is served is decided by `plan`, and who is served next by
//! `htb`.
#![deny(unsafe_code)]

mod agent;
mod api;
mod attachments;
mod checkpoint;
mod config;
mod confinement;
mod controller_client;
mod daemon;
mod directories;
mod directory_locks;
mod event;
mod fd_packet;
mod handover;
mod health;
pub mod metrics;
mod sd_notify;
mod signals;
mod supervisor;
mod unix_socket;
mod vmgenid;

pub use checkpoint::{InspectedCheckpoint, inspect_checkpoint};
pub use config::config_diff::{ChangedPart, ConfigChange, config_changes};
pub use config::manifest_files::read_manifests;
pub use config::manifests::{HOST, ManifestSet, PartlyAccepted, ReadOutcome};
pub use daemon::{HostArgs, NodeArgs, run_host, run_node};
pub use directories::Directories;
pub use supervisor::probe;

/// Internals that simulations and integration tests drive directly.
#[doc(hidden)]
pub mod testing {
    pub use crate::agent::Agent;
    pub use crate::config::apply::pool_configs;
    #[cfg(feature = "sim")]
    pub use crate::handover::connected_pair;
    pub use crate::handover::{OwnState, Predecessor, Recipient, Successor};

    pub mod attachments {
        pub use crate::attachments::{Attachment, AttachmentOrigin, Attachments, PodVolume, ServedTotals};
    }
    pub mod checkpoint {
        pub use crate::checkpoint::*;
    }
    pub mod csi {
        pub use crate::attachments::csi::*;
    }
}
