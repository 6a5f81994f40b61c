//! The decisions of the admission webhooks on VMs that name a pool: three hooks, as functions of a request.
//!
//! A `virt-launcher` pod gets the volume with its socket, any other pod with such a volume asks for a slot of its class, a
//! `VirtualMachineInstance` gets its random number
//! generator, and a `VirtualMachine` is rejected if it cannot use its pool. The crate knows no clients, clocks and
//! certificates, and leaves objects that name no pool unchanged. Start with [`answer`].
#![forbid(unsafe_code)]

mod class_change;
mod denial;
mod hook;
mod injection_method;
mod patch;
mod plain_pod;
mod plugin;
mod pod_mutation;
mod pool_index;
mod review;
mod virtual_machine;

pub use denial::Denial;
pub use hook::{Hook, ReviewError, answer};
pub use injection_method::InjectionMethod;
pub use patch::Patch;
pub use plugin::{NAME, plugin};
pub use pool_index::{ClassSlot, PoolIndex};
pub use review::{AdmissionDecision, Cluster};
