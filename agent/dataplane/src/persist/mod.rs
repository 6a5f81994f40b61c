//! What survives a crash: the levels of all buckets, in a file that the loop writes through a mapping.

mod bucket_records;
mod crash_state;
mod record;

pub(crate) use bucket_records::BucketRecords;
pub(crate) use crash_state::{CrashState, RecordName, Recovered};
pub(crate) use record::RecordOwner;
