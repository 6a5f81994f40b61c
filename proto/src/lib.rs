//! The wire messages and services, generated from the .proto files beside this crate.
//!
//! This crate refuses to hold a line of logic: who sends or receives a message converts it to types of its own
//! at once, so that no protobuf type passes an edge module. Start with [`local`] and
//! [`delivery`].
#![forbid(unsafe_code)]

/// What a daemon's `api.sock` speaks.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of local.proto"
)]
pub mod local {
    tonic::include_proto!("entropool.local.v1alpha1");
}

/// What an agent and its controller say to each other.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of delivery.proto"
)]
pub mod delivery {
    tonic::include_proto!("entropool.delivery.v1alpha1");
}

/// What a data plane leaves to its successor.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of handover.proto"
)]
pub mod handover {
    tonic::include_proto!("entropool.handover.v1");
}
