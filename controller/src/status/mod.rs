//! Status: what is written, how soon, and by whom.

mod difference;
mod grace;
mod herald;
mod lasting;
mod news;
mod pace;
mod tidings;
mod writer;

pub(crate) use herald::Herald;
pub(crate) use news::News;
pub(crate) use tidings::reference;
pub(crate) use writer::{FIELD_MANAGER, run};
