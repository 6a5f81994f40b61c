//! One source of a pool: what it is, how much it gives and what its bytes are worth.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::schema::{TCP_ADDRESS, absolute_path, labels, rule, rule_at};
use crate::{MinEntropy, Rate};

/// One source of randomness. Exactly one of `kernel`, `cpu`, `device`, `egd` and `file` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = source_rules()))]
pub struct Source {
    /// The source's name, unique in the pool, as status, metrics and `entropool sources` show it.
    /// Example: `trng`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub name: String,

    /// The kernel's own generator, `getrandom(2)`. It is a DRBG, not a noise source: always healthy, without
    /// a bound, and it earns no entropy credit. Written `kernel: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,

    /// An instruction of the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,

    /// A character device with a hardware generator behind it. The node's agent must allow it
    /// (`--allow-device`, by default `/dev/hwrng` alone), else the source is `SourceNotPermitted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,

    /// Another daemon that speaks EGD: an appliance of the rack, or another pool. The node's agent must allow
    /// it (`--allow-upstream`, by default none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egd: Option<Egd>,

    /// A file read from its start, over and over. For tests alone: the same bytes come again. The node's
    /// agent must allow it (`--allow-test-sources`, off by default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,

    /// Use the source only on those of the pool's nodes that carry all these labels: each rack its appliance.
    /// Absent: on every node of the pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub node_selector: BTreeMap<String, String>,

    /// Lower tiers serve first: a source serves only while no source of a lower tier is healthy. 0 to 15,
    /// default 0. Sources of the same tier are used together.
    #[serde(default)]
    #[schemars(range(max = 15))]
    pub tier: u8,

    /// How much the source gives, before conditioning. Absent: unknown, and then nothing it gives can be
    /// weighed against the pool's `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,

    /// Bits of min-entropy in one byte of the source, as assessed: a decimal string from "0.1" to "8" with at
    /// most one decimal. Needed for `device`, `cpu` and `egd` unless the pool's output is `Stretched` (the
    /// health tests then take "1"). A `kernel` source has none. Example: `"6"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_entropy_per_byte: Option<MinEntropy>,

    /// Where the assessment can be found, in free words for an auditor; echoed in status and reports, at most
    /// 512 characters. Example: `"ESV E123, sha256:…"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub assessment: Option<String>,

    /// The health tests that every sample of a noise source passes through. Default `[SP80090B]`: repetition
    /// count and adaptive proportion of NIST SP 800-90B, 4.4. `FIPS1402` adds the four tests of FIPS 140-2.
    /// A `kernel` source needs none and gets none.
    #[serde(default = "default_health_tests")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub health_tests: Vec<HealthTest>,
}

/// The kernel's own generator has nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kernel {}

/// An instruction of the processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// Which instruction. Example: `RDSEED`.
    pub instruction: Instruction,
}

/// Instructions that give random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Instruction {
    /// The x86 processor's conditioned noise source.
    #[serde(rename = "RDSEED")]
    Rdseed,
}

/// A character device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Its absolute path, without "..". Example: `/dev/hwrng`.
    #[schemars(schema_with = "absolute_path")]
    pub path: String,
}

/// Another daemon that speaks EGD. Exactly one of `unix` and `tcp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = [
    rule("has(self.unix) != has(self.tcp)", "write exactly one of unix and tcp"),
]))]
pub struct Egd {
    /// The absolute path of its unix socket, at most 107 characters. Example: `/run/egd-pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "socket_path")]
    pub unix: Option<String>,

    /// Its address and port. Example: `rack7.example:708` or `[fd00::7]:708`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tcp_address")]
    pub tcp: Option<String>,
}

/// A file for tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct File {
    /// Its absolute path, without "..".
    #[schemars(schema_with = "absolute_path")]
    pub path: String,
}

/// How much a source gives. Exactly one of `perNode` and `shared`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("has(self.perNode) != has(self.shared)", "write exactly one of perNode and shared"),
]))]
pub struct Capacity {
    /// What every node has for itself. Example: `1M/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_node: Option<Rate>,

    /// What all nodes that use the source have together; divided among them evenly. Example: `125k/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Rate>,
}

/// Health tests of a noise source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum HealthTest {
    /// Repetition count and adaptive proportion of NIST SP 800-90B, 4.4.
    #[serde(rename = "SP80090B")]
    Sp80090b,
    /// Monobit, poker, runs and long run of FIPS 140-2.
    #[serde(rename = "FIPS1402")]
    Fips1402,
}

/// What a source is, as an enum to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind<'a> {
    /// The kernel's generator.
    Kernel,
    /// An instruction of the processor.
    Cpu(Instruction),
    /// A character device.
    Device(&'a str),
    /// An EGD daemon on a unix socket.
    EgdUnix(&'a str),
    /// An EGD daemon at address and port.
    EgdTcp(&'a str),
    /// A test file.
    File(&'a str),
}

impl Source {
    /// The source a pool has when it names none.
    pub fn kernel() -> Self {
        Self {
            name: "kernel".to_owned(),
            kernel: Some(Kernel {}),
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

    /// What the source is; nothing if it names none, which the schema's rules refuse.
    pub fn kind(&self) -> Option<SourceKind<'_>> {
        let egd = self.egd.as_ref();
        (self.kernel.as_ref().map(|_| SourceKind::Kernel))
            .or_else(|| self.cpu.as_ref().map(|cpu| SourceKind::Cpu(cpu.instruction)))
            .or_else(|| self.device.as_ref().map(|device| SourceKind::Device(&device.path)))
            .or_else(|| egd?.unix.as_deref().map(SourceKind::EgdUnix))
            .or_else(|| egd?.tcp.as_deref().map(SourceKind::EgdTcp))
            .or_else(|| self.file.as_ref().map(|file| SourceKind::File(&file.path)))
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
            "a source is exactly one of kernel, cpu, device, egd and file",
        ),
        rule_at(
            ".minEntropyPerByte",
            "!has(self.kernel) || !has(self.minEntropyPerByte)",
            "the kernel's generator is no noise source and earns no credit: leave minEntropyPerByte out",
        ),
    ])
}

fn socket_path(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = absolute_path(generator);
    // What fits into sockaddr_un with its closing zero.
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
