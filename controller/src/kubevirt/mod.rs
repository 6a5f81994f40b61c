//! How a VM's domain is changed in this cluster: by `KubeVirt`'s `Plugin`, or by a sidecar.

mod keeper;
mod known;

pub(crate) use keeper::{Keeper, follow};
use known::Known;
