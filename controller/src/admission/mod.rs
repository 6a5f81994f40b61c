//! The hooks of `webhook`, served to the API server, and the objects by which it finds them.

mod judge;
mod question;
mod register;
mod serve;
mod tally;

pub(crate) use judge::Judge;
pub(crate) use register::run as register;
pub(crate) use serve::bind;
pub(crate) use tally::Tally;
