//! What the agent keeps on disk, so that it starts without anybody's help: what was accepted, who was attached at
//! run time, how much was served. Nothing random is ever in it, and nothing in it is a secret.
//!
//! [`Checkpoint`] loads and saves: two files take turns, each whole or not there, so that whatever happens in the
//! middle of a save, the next start finds the state before it or the state after it. [`Writer`] decides when, on
//! a thread of its own; where the disk fails it says so and tries again, and serving goes on.
//!
//! The checksum is against accidents, not against people: whoever may write in the directory is believed.
//! One process writes there at a time; whoever hands over to a successor stops its [`Writer`] first.
//!
//! ```
//! use entropool_agent::testing::checkpoint::{Checkpoint, HostDisk, Vm, Writer};
//! # let dir = tempfile::tempdir()?;
//! # let (state_dir, clock) = (dir.path().join("state"), || htb::Tick(0));
//!
//! let (checkpoint, loaded) = Checkpoint::open(HostDisk::new(&state_dir));
//! for note in &loaded.notes {
//!     tracing::warn!(%note, "in the checkpoint");
//! }
//! let mut state = loaded.state; // accepted specs for `plan`, VMs to attach, bytes to count on from
//! let writer = Writer::start(checkpoint, state.clone(), clock)?;
//!
//! let vm = Vm { namespace: "shop".into(), pool: "default".into(), ..Vm::default() };
//! state.vms.insert("web-1".into(), vm);
//! writer.note(state.clone()); // returns at once; on disk some milliseconds later
//! if let Some(refused) = writer.condition().unwritable() {
//!     println!("{}: {}", refused.reason, refused.message);
//! }
//! writer.stop(); // writes what is new, now
//!
//! assert_eq!(Checkpoint::open(HostDisk::new(&state_dir)).1.state, state);
//! # Ok::<(), std::io::Error>(())
//! ```

mod disk;
mod double_buffer;
pub mod format;
mod hex;
mod host_disk;
mod payload;
mod readonly;
mod save_error;
mod state;
mod warning;
mod write_scheduler;
mod writer;

pub use disk::Disk;
pub(crate) use double_buffer::SLOTS;
pub use double_buffer::{Checkpoint, Loaded, WrittenSlot};
pub use host_disk::HostDisk;
pub use payload::{SkippedObject, from_json, to_json};
pub use readonly::{InspectedCheckpoint, inspect_checkpoint};
pub use save_error::SaveError;
pub use state::{AcceptedSpecs, CheckpointState, LastGood, SavedClient, SavedVm, ServedTotals};
pub use warning::{SlotError, Warning};
pub use write_scheduler::{WriteAction, WriteScheduler};
pub use writer::{CheckpointWriter, WriteCondition, WriteFailure};
