//! Status: what is written, how soon, and by whom.

mod difference;
mod pace;
mod writer;

pub(crate) use writer::{FIELD_MANAGER, run};
