//! Status: what is written, how soon, and by whom.

mod difference;
mod grace;
mod herald;
mod news;
mod pace;
mod writer;

pub(crate) use writer::{FIELD_MANAGER, run};
