//! A source of a pool: its kind, its capacity and its assessed min-entropy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{TCP_ADDRESS, absolute_path, labels, rule, rule_at};
use crate::{MinEntropy, Rate};

/// A source of random bytes. Exactly one of `kernel`, `cpu`, `device`, `egd` and `file` must be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = source_rules()))]
pub struct Source {
    /// The name of the source, unique in the pool. It appears in status, in metrics and in the output of
    /// `entropool sources`. Example: `trng`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub name: String,

    /// The kernel's generator, read with `getrandom(2)`. It is a DRBG and not a noise source: it is
    /// healthy once it is seeded, has no rate limit and is not credited with entropy. Example: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelSource>,

    /// An instruction of the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuSource>,

    /// A character device of a hardware generator. The agent of the node must allow the device with
    /// `--allow-device`, which defaults to `/dev/hwrng`; otherwise the reason is `SourceNotPermitted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceSource>,

    /// Another daemon that speaks EGD, such as an appliance in the rack or another pool. The agent of the node
    /// must allow it with `--allow-upstream`, which defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egd: Option<EgdSource>,

    /// A regular file that is read once, from its start to its end, and then is unavailable. A daemon that is
    /// started again reads it again, and serves the same bytes again. For tests only, because nothing is known about
    /// its bytes. The agent of the node must allow it with `--allow-test-sources`, which defaults to off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,

    /// Labels that a node of the pool must have to use the source, for example if each rack has its own
    /// appliance. Defaults to no labels, which selects all nodes of the pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub node_selector: BTreeMap<String, String>,

    /// The order in which sources are used, from 0 to 15: a source serves only while no source of a lower tier
    /// is healthy. Sources of the same tier are used together. Defaults to 0.
    #[serde(default)]
    #[schemars(range(max = 15))]
    pub tier: u8,

    /// The rate that the source provides, before conditioning. Defaults to unknown, and then the rate of the
    /// pool cannot be compared with what the source provides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,

    /// The assessed min-entropy in bits per byte of the source: a decimal string from "0.001" to "8" with at most
    /// three decimal places. Required for `device`, `cpu` and `egd` unless the output of the pool is `Stretched`,
    /// in which case the health tests assume "1". Not allowed for `kernel`. Example: `"6"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_entropy_per_byte: Option<MinEntropy>,

    /// A reference to the assessment, in free text for auditors. It appears in status and reports. At most 512
    /// characters. Example: `"ESV E123, sha256:…"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub assessment: Option<String>,

    /// The health tests for every sample of a noise source. `SP80090B`: the repetition count test and the
    /// adaptive proportion test of NIST SP 800-90B, 4.4. `FIPS1402`: in addition, the four tests of FIPS 140-2.
    /// They do not apply to `kernel`. Defaults to `[SP80090B]`.
    #[serde(default = "default_health_tests")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub health_tests: Vec<HealthTest>,
}

/// The kernel's generator. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelSource {}

/// An instruction of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CpuSource {
    /// The instruction. Example: `RDSEED`.
    pub instruction: CpuInstruction,
}

/// Instructions that provide random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CpuInstruction {
    /// The conditioned noise source of x86 processors.
    #[serde(rename = "RDSEED")]
    Rdseed,
}

/// A character device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSource {
    /// The absolute path of the device, without "..". Example: `/dev/hwrng`. A symbolic link, such as those in
    /// `/dev/serial/by-id`, is followed when the device is opened. The kernel's generator (`/dev/random` and
    /// `/dev/urandom`) is refused: it is a DRBG, for which there is `kernel`. A terminal is made raw and exclusive.
    #[schemars(schema_with = "absolute_path")]
    pub path: String,

    /// Whether the device is credited with `minEntropyPerByte` also if the hypervisor of the node makes its bytes, as
    /// it does if the kernel reads `virtio_rng` for `/dev/hwrng`, or if the node cannot tell who makes them. Nobody
    /// on the node can test what the hypervisor does, so this is a statement that whoever runs the hypervisor is
    /// trusted with it. Defaults to false: such a device is mixed in and earns no credit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credit_nested: bool,
}

/// Another daemon that speaks EGD. Exactly one of `unix` and `tcp` must be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("has(self.unix) != has(self.tcp)", "set exactly one of unix and tcp"),
]))]
pub struct EgdSource {
    /// The absolute path of its Unix socket, at most 107 characters. Example: `/run/egd-pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "socket_path")]
    pub unix: Option<String>,

    /// Its address and port. Example: `rack7.example:708` or `[fd00::7]:708`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tcp_address")]
    pub tcp: Option<String>,

    /// Whether the server is credited with `minEntropyPerByte` also if it is another entropool, which the kernel tells
    /// of a Unix socket whose server is in the PID namespace of the agent. The protocol does not say what the other
    /// pool promises, and a `Stretched` one serves the output of a generator: set it only for a pool that promises
    /// `FullEntropy` or `Raw`. Defaults to false: another entropool is mixed in and earns no credit. A server that
    /// nobody can tell, such as any over TCP, is credited as stated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credit_nested: bool,
}

/// A file for tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileSource {
    /// The absolute path of the file, without "..".
    #[schemars(schema_with = "absolute_path")]
    pub path: String,
}

/// The rate that a source provides. Exactly one of `perNode` and `shared` must be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("has(self.perNode) != has(self.shared)", "set exactly one of perNode and shared"),
]))]
pub struct Capacity {
    /// The rate on each node. Example: `1M/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_node: Option<Rate>,

    /// The rate of all nodes that use the source together. It is divided evenly among them. Example: `125k/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Rate>,
}

/// Health tests of a noise source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum HealthTest {
    /// The repetition count test and the adaptive proportion test of NIST SP 800-90B, 4.4.
    #[serde(rename = "SP80090B")]
    Sp80090b,
    /// The monobit, poker, runs and long run tests of FIPS 140-2.
    #[serde(rename = "FIPS1402")]
    Fips1402,
}

/// The kind of a source, as an enum to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind<'a> {
    Kernel,
    Cpu(CpuInstruction),
    /// The path of a character device.
    Device(&'a str),
    /// The path of an EGD daemon's Unix socket.
    EgdUnix(&'a str),
    /// The address and port of an EGD daemon.
    EgdTcp(&'a str),
    /// The path of a test file.
    File(&'a str),
}

impl Source {
    /// The source of a pool that names none.
    pub fn kernel() -> Self {
        Self {
            name: "kernel".to_owned(),
            kernel: Some(KernelSource {}),
            cpu: None,
            device: None,
            egd: None,
            file: None,
            node_selector: BTreeMap::new(),
            tier: 0,
            capacity: None,
            min_entropy_per_byte: None,
            assessment: None,
            health_tests: default_health_tests(),
        }
    }

    /// The kind of the source; `None` if it has none, which the schema does not allow.
    pub fn kind(&self) -> Option<SourceKind<'_>> {
        let egd = self.egd.as_ref();
        (self.kernel.as_ref().map(|_| SourceKind::Kernel))
            .or_else(|| self.cpu.as_ref().map(|cpu| SourceKind::Cpu(cpu.instruction)))
            .or_else(|| self.device.as_ref().map(|device| SourceKind::Device(&device.path)))
            .or_else(|| egd?.unix.as_deref().map(SourceKind::EgdUnix))
            .or_else(|| egd?.tcp.as_deref().map(SourceKind::EgdTcp))
            .or_else(|| self.file.as_ref().map(|file| SourceKind::File(&file.path)))
    }

    /// Whether the source earns credit also if it turns out to be nested.
    pub fn credits_nested(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.credit_nested)
            || self.egd.as_ref().is_some_and(|egd| egd.credit_nested)
    }
}

fn default_health_tests() -> Vec<HealthTest> {
    vec![HealthTest::Sp80090b]
}

fn source_rules() -> Value {
    json!([
        rule(
            "[has(self.kernel), has(self.cpu), has(self.device), has(self.egd), has(self.file)]\
             .filter(kind, kind).size() == 1",
            "set exactly one of kernel, cpu, device, egd and file",
        ),
        rule_at(
            ".minEntropyPerByte",
            "!has(self.kernel) || !has(self.minEntropyPerByte)",
            "the kernel's generator is not a noise source and is not credited with entropy: omit minEntropyPerByte",
        ),
    ])
}

fn socket_path(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = absolute_path(generator);
    // The size of sun_path in sockaddr_un, without the terminating NUL.
    schema.insert("maxLength".to_owned(), json!(107));
    schema
}

fn tcp_address(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 261,
        "pattern": TCP_ADDRESS,
    })
}
