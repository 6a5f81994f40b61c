//! Real guests in QEMU, on the real `entropool run`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod bytes;
mod clones;
mod crash;
mod idle;
mod shares;

use std::sync::{Mutex, MutexGuard, PoisonError};

use entropool_tests::{Daemon, Host, binary};

/// Guests are heavy, and all tests here measure: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(vms: &[&str]) -> Daemon {
    Daemon::start(Host::new(binary::entropool().unwrap(), TWO_CLASSES).unwrap(), vms).unwrap()
}

/// Assured are 16 and 4 of 32 KiB/s; the other 12 go 3 to 1. So gold gets 25, bronze 7.
const TWO_CLASSES: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 32Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: default, rate: 16Ki/s, weight: 300}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: bronze}
spec: {pool: default, rate: 4Ki/s, weight: 100}
";
