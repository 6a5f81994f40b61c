//! The wire messages and services, generated from the .proto files beside this crate.
//!
//! This crate holds no logic. The sender and the receiver of a message of [`delivery`] or [`handover`] convert it to
//! types of their own in one module. Those of [`local`] are also what `entropool` shows, as tables and, with the feature
//! `json`, as JSON.
#![forbid(unsafe_code)]

mod codec;
#[cfg(feature = "json")]
mod json;

pub use codec::LeanCodec;

/// The API of a daemon's `api.sock`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of local.proto"
)]
pub mod local {
    tonic::include_proto!("entropool.local.v1alpha1");
}

/// The stream between an agent and its controller.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of delivery.proto"
)]
pub mod delivery {
    tonic::include_proto!("entropool.delivery.v1alpha1");
}

/// The state that a daemon hands over to its successor.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of handover.proto"
)]
pub mod handover {
    tonic::include_proto!("entropool.handover.v1");
}

/// What a kubelet calls of a CSI driver on its node.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of csi.proto"
)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}

/// The registration of a driver with its kubelet.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of registration.proto"
)]
pub mod registration {
    tonic::include_proto!("pluginregistration");
}

/// What `virt-launcher` calls of a hook sidecar.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; its comments are those of info.proto and callbacks.proto"
)]
pub mod hooks {
    /// The hook points that a sidecar serves.
    pub mod info {
        tonic::include_proto!("kubevirt.hooks.info");
    }
    /// The calls at the hook points.
    pub mod v1alpha3 {
        tonic::include_proto!("kubevirt.hooks.v1alpha3");
    }
}
