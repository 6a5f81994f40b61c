//! The configuration of a node.

use std::collections::BTreeSet;

/// A rate in whole bytes per day, so that sums and comparisons are exact in 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesPerDay(pub u64);

/// The configuration of a node. Equal configurations compare equal, because the lists are in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeConfig {
    /// In ascending order of names.
    pub pools: Vec<PoolConfig>,
    /// Whether the `CSIDriver` has `podInfoOnMount`, so that the kubelet and not a pod's author provides the
    /// pod information of a volume. `None` if it is not known.
    pub pod_info_on_mount: Option<bool>,
}

/// The configuration of a pool on a node: its sources and its class tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// The name of the `EntropyPool`.
    pub name: String,
    /// The sources of the pool on this node, in ascending order of tiers, then of names.
    pub sources: Vec<SourceConfig>,
    /// What the pool promises about its bytes.
    pub output: Output,
    /// With fewer healthy sources, `on_source_failure` applies.
    pub min_healthy_sources: u32,
    pub on_source_failure: OnSourceFailure,
    /// The root of the class tree: the rate that can be promised, and the ceil.
    pub shape: Shape,
    /// The class of VMs that name none; always one of `classes`.
    pub default_class: String,
    /// Parents before children, siblings by name.
    pub classes: Vec<ClassConfig>,
    /// The namespaces that may use the pool.
    pub namespaces: Namespaces,
}

/// A class of a pool, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassConfig {
    /// The name of the `EntropyClass`, or [`ClassConfig::IMPLICIT`] for the implicit class of a pool without
    /// `defaultClass`.
    pub name: String,
    /// Another class of the pool; `None` for the root.
    pub parent: Option<String>,
    pub shape: Shape,
    /// 0 to 7; lower numbers borrow first.
    pub prio: u8,
    /// 1 to 10000: the share among siblings of the same prio.
    pub weight: u32,
    /// The leaf of each VM.
    pub per_vm: Shape,
    /// The maximum number of connections of each VM that is no QEMU, 1 to 1024.
    pub max_connections: u32,
    pub per_namespace: NamespaceBound,
    /// The maximum number of VMs on a node; `None` if there is no limit.
    pub max_vms: Option<u32>,
    pub admission: Admission,
    pub fairness: Fairness,
    /// Whether VMs may be served degraded output.
    pub allow_degraded: bool,
    /// The namespaces that may use the class, within those of the pool.
    pub namespaces: Namespaces,
}

impl ClassConfig {
    /// The class of a pool without `defaultClass`. No `EntropyClass` can have this name.
    pub const IMPLICIT: &'static str = "(default)";

    /// The connections of a VM of a class that does not say how many: a web server's default number of processes.
    pub const DEFAULT_MAX_CONNECTIONS: u32 = 256;
}

/// The four numbers of a class in `tc-htb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The assured rate; zero if nothing is assured.
    pub rate: BytesPerDay,
    /// The maximum rate, borrowed bytes included.
    pub ceil: BytesPerDay,
    /// The size of the token bucket of `rate`, in bytes.
    pub burst: u64,
    /// The size of the token bucket of `ceil`, in bytes.
    pub cburst: u64,
}

/// Limits on one namespace in a class; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceBound {
    /// What the namespace is assured, instead of the sum over its VMs.
    pub rate: Option<BytesPerDay>,
    pub ceil: Option<BytesPerDay>,
    /// The maximum number of VMs of the namespace in the class on a node.
    pub max_vms: Option<u32>,
}

/// A set of namespaces, resolved to names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All namespaces, including future ones.
    All,
    Only(BTreeSet<String>),
}

impl Namespaces {
    /// Whether `namespace` is in the set.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

/// A source of a pool on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Unique in the pool.
    pub name: String,
    pub kind: SourceKind,
    /// Lower tiers are used first.
    pub tier: u32,
    /// The rate that the source provides on this node, if it is known.
    pub capacity: Option<BytesPerDay>,
    /// The assessed min-entropy in thousandths of a bit per byte, 1 to 8000. `None` earns no credit.
    pub min_entropy_thousandths: Option<u16>,
    /// Whether it earns credit also if the hypervisor of the machine, or another entropool, makes its bytes.
    pub credit_nested: bool,
    /// The tests of every sample.
    pub health_tests: BTreeSet<HealthTest>,
}

/// The kind of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The kernel's generator.
    Kernel,
    /// An instruction of the processor, such as `RDSEED`.
    Cpu { instruction: String },
    /// A character device.
    Device { path: String },
    /// An EGD server on a Unix socket.
    EgdUnix { path: String },
    /// An EGD server at `host:port`.
    EgdTcp { address: String },
    /// A regular file, for tests.
    File { path: String },
}

/// What a pool promises about its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The output of a generator that is seeded from the sources.
    Stretched,
    /// Full-entropy blocks (SP 800-90C).
    FullEntropy,
    /// Health-tested samples.
    Raw,
}

/// What happens when too few sources are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSourceFailure {
    /// Nothing is served.
    Hold,
    /// Classes that allow it are served stretched bytes.
    Degrade,
}

/// Continuous tests of a noise source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthTest {
    /// SP 800-90B 4.4: repetition count and adaptive proportion.
    Sp80090b,
    /// The block tests of FIPS 140-2.
    Fips1402,
}

/// What happens when the VMs of a class would be assured more than the class is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The VM is refused.
    Strict,
    /// The assured rates shrink in proportion.
    Proportional,
}

/// How borrowed bytes are shared within a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fairness {
    /// Among namespaces, then among the VMs of each.
    Namespace,
    /// Among all VMs.
    Vm,
}
