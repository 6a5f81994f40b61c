//! The real `entropool run`, seen from its sockets.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod attacks;
mod bad_manifests;
mod broken_handovers;
mod capacity;
mod descriptor_pressure;
mod disk;
mod handover;
mod handover_proxy;
mod lifecycle;
mod live_change;
mod orphaned;
mod protocol;
mod restart;
mod service_manager;
mod shaping;
mod sockets;
mod supervisor;
mod tcp;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use entropool_tests::{Daemon, Host, binary};

static MACHINE: RwLock<()> = RwLock::new(());

/// For a test that measures time: no other test of this binary runs beside it.
fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// For all others.
fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

fn host(manifest: &str) -> Host {
    Host::new(binary::entropool().unwrap(), manifest).unwrap()
}

/// For plain EGD clients: a QEMU would get bytes unsolicited.
fn start(manifest: &str, vms: &[impl AsRef<str>]) -> Daemon {
    let vms: Vec<_> = vms.iter().map(|vm| format!("{},client=egd", vm.as_ref())).collect();
    Daemon::start(host(manifest), &vms).unwrap()
}

/// A pool whose limits are far above what a test asks for, with one class.
const OPEN: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: any}
spec: {pool: default, burst: 64Ki, cburst: 64Ki, perVM: {burst: 64Ki, cburst: 64Ki}}
";
