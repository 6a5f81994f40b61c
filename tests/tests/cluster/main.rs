//! entropool in a real cluster, installed by its chart: kubelet, containerd, scheduler and `KubeVirt` are what users run.
//!
//! All tests share one cluster, one after the other, each in a namespace of its own.
#![allow(clippy::unwrap_used)]

mod agents;
mod cli;
mod controller_away;
mod images;
mod kinds;
mod lifecycle;
mod migration;
mod nodes;
mod pods;
mod rejections;
mod slots;
mod tenant;
mod uninstall;
mod vm;
mod vms;
