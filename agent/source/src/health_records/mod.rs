//! What is known of the health of sources, by how their pools name them and by what they are: it outlives the pool, the
//! process and the boot.
//!
//! [`HealthRecords`] is the data, and [`HealthStore`] is where the agent stores it.

mod records;
mod registry;

pub use records::{AlarmRecord, HealthChange, HealthRecords};
pub use registry::HealthStore;
pub(crate) use registry::{HealthRegistry, SourceRecord};
