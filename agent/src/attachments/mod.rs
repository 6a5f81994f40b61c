//! Which VMs are attached to this host: one table, one journal, and the operations on both. The kubelet ([`csi`]), the
//! local API and flags of the command line each add a row to the table and then a VM to the data plane, whose own tables
//! and crash state stay apart: they decide admission and survive a crash by themselves.

mod attachment;
pub(crate) mod csi;
mod journal;
mod registry;
mod served_totals;
mod table;

pub use attachment::{Attachment, AttachmentOrigin, PodVolume};
pub use registry::Attachments;
pub(crate) use registry::log_failed;
pub use served_totals::ServedTotals;
