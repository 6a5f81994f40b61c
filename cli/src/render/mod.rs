//! What the daemon says, as text for a person. Data in, text out.

mod amount;
mod classes;
mod explain;
mod limit_hits;
mod pools;
mod sources;
mod table;
mod top;
mod vms;
mod waiting;

#[cfg(test)]
pub(crate) mod samples;

pub(crate) use classes::classes;
pub(crate) use explain::explain;
pub(crate) use pools::pools;
pub(crate) use sources::{NO_SOURCES, sources, sources_table, why_not_healthy};
pub(crate) use table::Table;
pub(crate) use top::{TopRow, table as top_table, top};
pub(crate) use vms::{NO_VMS, vms, vms_table};
pub(crate) use waiting::{NOBODY_WAITS, waiting, waiting_table};
