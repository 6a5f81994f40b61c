//! How a pod gets its socket: a node service of the Container Storage Interface for ephemeral inline volumes.
//!
//! A volume is a directory with `egd.sock` in it, which the kubelet mounts into the pod. It is the directory that the
//! kubelet names, with the socket bound in it: nothing is mounted here, so the agent needs no right to mount. What a
//! pod asked is kept as a record on `/run`, since the kubelet tells it once, and a reboot, which loses the records,
//! ends the pods as well.
//!
//! [`check`] and [`book`] decide and touch nothing; [`directory`] and [`store`] touch the file system and decide
//! nothing; [`Volumes`] is the two put together, and [`Csi`] serves them to the kubelet.

mod authority;
mod book;
mod check;
mod directory;
mod error;
mod label;
mod record;
mod registration;
mod request;
mod serve;
mod service;
mod store;
mod target;
mod volumes;

pub use error::{PublishError, UnpublishError};
pub use serve::{CsiError, CsiOptions, CsiServer};
pub use volumes::{PodHost, PodInfo, Volumes};
