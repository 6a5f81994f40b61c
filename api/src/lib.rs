//! The API: the kinds `EntropyPool` and `EntropyClass`, quantities, and every fixed name.
//!
//! The doc comments of the kinds' fields are the API reference. Defaults, bounds and rules are part of the schema
//! that is generated from the types, so that a manifest is validated in the same way in a cluster and on a single
//! host. This crate opens no files and contains no client.
//!
//! Start with [`EntropyPool`].
#![forbid(unsafe_code)]

pub mod manifest;
pub mod names;

mod class;
mod condition;
mod crd;
mod namespaces;
mod pool;
mod quantity;
mod schema;
mod source;
mod status;

pub use class::{
    Admission, ClassEffective, EntropyClass, EntropyClassSpec, EntropyClassStatus, Fairness, PerNamespace,
    PerVm,
};
pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use crd::{crd_files, crds};
pub use namespaces::{
    ClassNamespaces, ClassNamespacesFrom, LabelExpression, LabelOperator, LabelSelector, PoolNamespaces,
    PoolNamespacesFrom, selects,
};
pub use pool::{
    EntropyPool, EntropyPoolSpec, EntropyPoolStatus, OnSourceFailure, Output, OutputStatus, PoolEffective,
    SourceAssessment, WorstSource,
};
pub use quantity::{MinEntropy, QuantityError, Rate, Size};
pub use source::{
    Capacity, CpuInstruction, CpuSource, DeviceSource, EgdSource, FileSource, HealthTest, KernelSource,
    Source, SourceKind,
};
pub use status::{Accepted, Assured, NodeCount};
