//! entropool in a real cluster, installed by its chart: kubelet, containerd, scheduler and `KubeVirt` are what users run.
//!
//! All tests share one cluster, one after the other, each in a namespace of its own.
#![allow(clippy::unwrap_used)]

mod agents;
mod away;
mod images;
mod kinds;
mod life;
mod migration;
mod nodes;
mod people;
mod places;
mod pods;
mod refusals;
mod tenant;
mod traces;
mod vm;
mod vms;
