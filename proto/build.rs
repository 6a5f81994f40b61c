//! Compiles the .proto files into `OUT_DIR`, without a protoc.

use std::error::Error;

const ROOT: &str = "proto";
const FILES: [&str; 7] = [
    "csi/v1/csi.proto",
    "entropool/delivery/v1alpha1/delivery.proto",
    "entropool/handover/v1/handover.proto",
    "entropool/local/v1alpha1/local.proto",
    "kubevirt/hooks/info/info.proto",
    "kubevirt/hooks/v1alpha3/callbacks.proto",
    "pluginregistration/v1/registration.proto",
];
/// Shared by all streams that are sent the same.
const SHARED: &str = ".entropool.delivery.v1alpha1.Resource.body";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(SHARED)
        .codec_path("crate::LeanCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
