//! What the tests and the fuzz target share: a slow, obvious model of a session, and the script that drives
//! both side by side.

pub(crate) mod reference;
pub(crate) mod script;
