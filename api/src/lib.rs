//! What a user writes: the kinds `EntropyPool` and `EntropyClass`, the sizes and rates in them, and every
//! fixed name.
//!
//! The doc comments of the kinds' fields are the user's manual; defaults, bounds and rules stand in the schema
//! that is generated from them, so a manifest is judged by the same words in a cluster and on one host. This
//! crate opens no file and knows no client.
//!
//! Start with [`EntropyPool`].
#![forbid(unsafe_code)]

pub mod manifest;
pub mod names;

mod class;
mod condition;
mod crd;
mod member;
mod namespaces;
mod pool;
mod quantity;
mod schema;
mod source;
mod status;

pub use class::{Admission, EntropyClass, EntropyClassSpec, Fairness};
pub use condition::{Condition, ConditionStatus, ConditionType, Reason};
pub use crd::{crd_files, crds};
pub use member::{PerNamespace, PerVm};
pub use namespaces::{
    ClassNamespaces, ClassNamespacesFrom, LabelExpression, LabelOperator, LabelSelector, PoolNamespaces,
    PoolNamespacesFrom, selects,
};
pub use pool::{EntropyPool, EntropyPoolSpec, OnSourceFailure, Output};
pub use quantity::{MinEntropy, QuantityError, Rate, Size};
pub use source::{Capacity, Cpu, Device, Egd, File, HealthTest, Instruction, Kernel, Source, SourceKind};
pub use status::{
    Accepted, Assured, ClassEffective, ClassStatus, NodeCount, OutputStatus, PoolEffective, PoolStatus,
    SourceAssessment, WorstSource,
};
