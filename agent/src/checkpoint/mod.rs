//! The checkpoint: the state on disk with which the agent starts without a controller. It holds the accepted
//! configuration, the VMs attached through the API, and the served totals, but no random bytes and no secrets.
//!
//! [`Checkpoint`] loads and saves: two files are written alternately, so that an interrupted save leaves the state before
//! it or after it. [`CheckpointWriter`] decides when, on its own thread; where the disk fails it reports that and retries,
//! and serving continues.
//!
//! The checksum detects accidents, not attacks: a process that can write to the directory is trusted. One process writes there at a
//! time: a predecessor stops its [`CheckpointWriter`] before it hands over.
//!
//! ```
//! use entropool_agent::testing::attachments::Attachment;
//! use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointWriter, HostDisk};
//! # let dir = tempfile::tempdir()?;
//! # let (state_dir, clock) = (dir.path().join("state"), || htb::Tick(0));
//!
//! let (checkpoint, loaded) = Checkpoint::open(HostDisk::new(&state_dir));
//! for warning in &loaded.warnings {
//!     tracing::warn!(%warning, "checkpoint warning");
//! }
//! let mut state = loaded.state; // accepted specs for `plan`, VMs to attach, bytes to count on from
//! let writer = CheckpointWriter::start(checkpoint, state.clone(), clock)?;
//!
//! let id = "web-1".to_owned();
//! let vm = Attachment { id: id.clone(), pool: "default".into(), ..Attachment::default() };
//! state.vms.insert(id, vm);
//! writer.set_state(state.clone()); // returns at once; on disk some milliseconds later
//! if let Some(refused) = writer.condition().unwritable() {
//!     println!("{}: {}", refused.reason, refused.message);
//! }
//! writer.stop(); // writes the last changes now
//!
//! assert_eq!(Checkpoint::open(HostDisk::new(&state_dir)).1.state, state);
//! # Ok::<(), std::io::Error>(())
//! ```

mod disk;
mod double_buffer;
mod error;
pub mod format;
mod payload;
mod readonly;
mod state;
mod write_scheduler;
mod writer;

pub use disk::{Disk, HostDisk};
pub use double_buffer::{Checkpoint, Loaded, WrittenSlot};
pub(crate) use double_buffer::{SLOTS, replace_file};
pub use error::{LoadWarning, SaveError, SlotError};
pub use payload::{SkippedObject, from_json, to_json};
pub use readonly::{InspectedCheckpoint, inspect_checkpoint};
pub use state::{AcceptedSpecs, CheckpointState, LastGood};
pub use write_scheduler::{WriteAction, WriteScheduler};
pub use writer::{CheckpointWriter, WriteCondition, WriteFailure};
