//! What survives a crash: the levels of all buckets, and what each connection is owed, in files that the loop writes through
//! mappings.

mod bucket_records;
mod bucket_state_file;
mod record;
mod session_file;

pub(crate) use bucket_records::BucketRecords;
pub(crate) use bucket_state_file::{BucketStateFile, RecordName, Recovered};
pub(crate) use record::RecordOwner;
pub(crate) use session_file::{
    LeftSession, LeftSessions, READ_CAPACITY, ReadBuffer, SessionFile, SessionIndex,
};
