//! What is said when a VM that names a pool comes to the API server: three hooks, as functions of a request.
//!
//! A `virt-launcher` pod gets the volume with its socket ([`pod`]), a `VirtualMachineInstance` its random number
//! generator ([`instance`]), and a `VirtualMachine` a sentence where its pool cannot be had ([`validate`]). They
//! refuse to know clients, clocks and certificates, and leave alone whatever names no pool. Start with [`answer`].
#![forbid(unsafe_code)]

mod affinity;
mod catalogue;
mod hook;
mod instance;
mod moved;
mod patch;
mod plugin;
mod pod;
mod refusal;
mod review;
mod sidecar;
mod validate;
mod way;
mod wish;

pub use catalogue::{Catalogue, Place};
pub use hook::Hook;
pub use patch::Patch;
pub use plugin::{NAME, plugin};
pub use refusal::Refusal;
pub use review::{Cluster, ReviewError, Verdict, answer};
pub use way::Way;
