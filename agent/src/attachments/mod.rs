//! Which VMs are attached to this host: the one table and its journal, and the operations on both.
//!
//! A VM is attached by one of three callers: the kubelet ([`csi`]), the local API, or a flag of the command line.
//! Each of them adds a row to the [`AttachmentTable`](table::AttachmentTable) and then a VM to the data plane.

mod attachment;
pub(crate) mod csi;
mod journal;
mod registry;
mod served_totals;
mod table;

pub use attachment::{Attachment, Origin, PodVolume};
pub use registry::Attachments;
pub(crate) use registry::log_failed;
pub use served_totals::ServedTotals;
