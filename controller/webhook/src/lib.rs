//! What is said when a VM that names a pool comes to the API server: three hooks, as functions of a request.
//!
//! A `virt-launcher` pod gets the volume with its socket ([`pod`]), a `VirtualMachineInstance` its random number
//! generator ([`instance`]), and a `VirtualMachine` a sentence where its pool cannot be had ([`validate`]). They
//! refuse to know clients, clocks and certificates, and leave alone whatever names no pool. Start with [`answer`].
#![forbid(unsafe_code)]

mod affinity;
mod class_change;
mod denial;
mod hook;
mod injection_method;
mod instance;
mod patch;
mod plugin;
mod pod;
mod pool_index;
mod requested;
mod review;
mod sidecar;
mod validate;

pub use denial::Denial;
pub use hook::Hook;
pub use injection_method::InjectionMethod;
pub use patch::Patch;
pub use plugin::{NAME, plugin};
pub use pool_index::{ClassSlot, PoolIndex};
pub use review::{Cluster, Decision, ReviewError, answer};
