//! What survives a crash: the levels of all buckets, and what each connection is owed, in files that the loop writes through
//! mappings.

mod bucket_records;
mod bucket_state_file;
mod read_buffer;
mod record;
mod session_file;
mod session_record;

pub(crate) use bucket_records::BucketRecords;
pub(crate) use bucket_state_file::{BucketStateFile, RecordName, Recovered};
pub(crate) use read_buffer::{READ_CAPACITY, ReadBuffer, SessionIndex};
pub(crate) use record::RecordOwner;
pub(crate) use session_file::{LeftSession, LeftSessions, SessionFile};
