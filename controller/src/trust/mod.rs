//! Who the controller is to agents, and who they are to it.

mod authority;
mod certificate;
mod directory;
mod keeper;
mod review;

pub(crate) use certificate::Certificate;
pub(crate) use review::{Reviewed, Reviewer};

pub(crate) use directory::follow as follow_directory;
pub(crate) use keeper::keep;
