//! Compiles the .proto files into `OUT_DIR`, without a protoc.

use std::error::Error;

const ROOT: &str = "proto";
const FILES: [&str; 1] = ["entropool/local/v1alpha1/local.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
