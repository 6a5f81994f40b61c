//! Compiles the .proto files into `OUT_DIR`, without a protoc.

use std::error::Error;

use tonic_prost_build::Builder;

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
/// One buffer is shared by all streams that are sent the same resource.
const SHARED: &str = ".entropool.delivery.v1alpha1.Resource.body";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    let builder =
        tonic_prost_build::configure().build_transport(false).bytes(SHARED).codec_path("crate::LeanCodec");
    let builder = if std::env::var_os("CARGO_FEATURE_JSON").is_some() { json(builder) } else { builder };
    builder.compile_fds(descriptors)?;
    Ok(())
}

/// Has the messages of the local API serialise to the JSON of `entropool -o json`: the names of the fields in camel
/// case, rates as manifests spell them, and times in seconds.
fn json(builder: Builder) -> Builder {
    let mut builder = builder.message_attribute(LOCAL, CAMEL_CASE);
    for name in ENUMS {
        builder = builder.enum_attribute(format!("{LOCAL}.{name}"), CAMEL_CASE);
    }
    // As manifests spell it.
    builder = builder.enum_attribute(format!("{LOCAL}.Output"), "#[derive(serde::Serialize)]");
    for (field, attribute) in ATTRIBUTES {
        builder = builder.field_attribute(format!("{LOCAL}.{field}"), format!("#[serde({attribute})]"));
    }
    builder
}

const LOCAL: &str = ".entropool.local.v1alpha1";
const CAMEL_CASE: &str = "#[derive(serde::Serialize)] #[serde(rename_all = \"camelCase\")]";
const ENUMS: [&str; 6] = ["Client", "Limit", "Mode", "NodeKind", "Serving", "SourceState"];
const ATTRIBUTES: [(&str, &str); 25] = [
    ("Alarm.age", r#"rename = "seconds", serialize_with = "crate::json::seconds""#),
    ("Binding.duration", r#"rename = "seconds", serialize_with = "crate::json::seconds""#),
    ("Binding.kind", r#"serialize_with = "crate::json::name::<NodeKind, _>""#),
    ("Binding.limit", r#"serialize_with = "crate::json::name::<Limit, _>""#),
    ("Binding.serving", r#"serialize_with = "crate::json::optional_name::<Serving, _>""#),
    ("Class.max_vms", r#"rename = "maxVMs""#),
    ("Class.per_vm", r#"rename = "perVM""#),
    ("Class.promised", r#"serialize_with = "crate::json::rate""#),
    ("Class.shape", "flatten"),
    ("Level.mode", r#"serialize_with = "crate::json::name::<Mode, _>""#),
    ("Pool.promised", r#"serialize_with = "crate::json::rate""#),
    ("Pool.shape", "flatten"),
    ("PoolOutput.duration", r#"rename = "seconds", serialize_with = "crate::json::optional_seconds""#),
    ("PoolOutput.promised", r#"serialize_with = "crate::json::name::<Output, _>""#),
    ("PoolOutput.serving", r#"serialize_with = "crate::json::name::<Serving, _>""#),
    ("Shape.ceil", r#"serialize_with = "crate::json::rate""#),
    ("Shape.rate", r#"serialize_with = "crate::json::rate""#),
    ("Source.duration", r#"rename = "seconds", serialize_with = "crate::json::optional_seconds""#),
    ("Source.state", r#"serialize_with = "crate::json::name::<SourceState, _>""#),
    ("Source.stats", "flatten"),
    ("Step.kind", r#"serialize_with = "crate::json::name::<NodeKind, _>""#),
    ("Step.shape", "flatten"),
    ("Vm.client", r#"serialize_with = "crate::json::name::<Client, _>""#),
    ("Vm.shape", "flatten"),
    ("Vm.waiting", r#"rename = "waitingSeconds", serialize_with = "crate::json::optional_seconds""#),
];
