//! What survives a crash: the levels of all buckets, in a file that the loop writes through a mapping.

mod bucket_records;
mod bucket_state_file;
mod record;

pub(crate) use bucket_records::BucketRecords;
pub(crate) use bucket_state_file::{BucketStateFile, RecordName, Recovered};
pub(crate) use record::RecordOwner;
