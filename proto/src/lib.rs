//! The wire messages and services, generated from the .proto files beside this crate.
//!
//! This crate refuses to hold a line of logic: who sends or receives a message converts it to types of its own
//! at once, so that no protobuf type passes an edge module. Start with [`local`] and
//! [`delivery`].
#![forbid(unsafe_code)]

mod codec;

pub use codec::LeanCodec;

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

/// What a kubelet asks of a CSI driver on its node.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of csi.proto"
)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}

/// How a driver makes itself known to its kubelet.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of registration.proto"
)]
pub mod registration {
    tonic::include_proto!("pluginregistration");
}

/// What `virt-launcher` says to a hook sidecar.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of info.proto and callbacks.proto"
)]
pub mod hooks {
    /// Which hook points there are.
    pub mod info {
        tonic::include_proto!("kubevirt.hooks.info");
    }
    /// The hook points.
    pub mod v1alpha3 {
        tonic::include_proto!("kubevirt.hooks.v1alpha3");
    }
}
