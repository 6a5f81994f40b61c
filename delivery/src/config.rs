//! The configuration of one node.

use std::collections::BTreeSet;

/// A rate as whole bytes per day, so that sums and comparisons are exact in 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesPerDay(pub u64);

/// Everything one node serves. Equal contents compare equal: the lists are in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeConfig {
    /// By name, ascending.
    pub pools: Vec<PoolConfig>,
    /// Whether the kubelet's word on a volume's pod is the kubelet's: the `CSIDriver` has `podInfoOnMount`. `None` where
    /// nobody has looked.
    pub pod_info_on_mount: Option<bool>,
}

/// One pool on one node: its sources and its class tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Name of the `EntropyPool`.
    pub name: String,
    /// The sources this node uses for the pool, lowest tier first, then by name.
    pub sources: Vec<SourceConfig>,
    /// What is promised for every byte.
    pub output: Output,
    /// Fewer healthy sources than this and `on_source_failure` decides.
    pub min_healthy_sources: u32,
    /// What happens when too few sources are healthy.
    pub on_source_failure: OnSourceFailure,
    /// The root of the class tree: what may be promised, and served, on this node.
    pub shape: Shape,
    /// The class of a VM that names none; always one of `classes`.
    pub default_class: String,
    /// Parents before children, siblings by name.
    pub classes: Vec<ClassConfig>,
    /// Namespaces that may use the pool at all.
    pub namespaces: Namespaces,
}

/// One class of a pool, every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassConfig {
    /// Name of the `EntropyClass`; the implicit class of a pool without `defaultClass` is named
    /// [`ClassConfig::IMPLICIT`].
    pub name: String,
    /// Another class of the pool, or the root.
    pub parent: Option<String>,
    /// The class as a whole.
    pub shape: Shape,
    /// 0 to 7, lower borrows first.
    pub prio: u8,
    /// 1 to 10000: share among equals.
    pub weight: u32,
    /// Each member's leaf.
    pub per_vm: Shape,
    /// What one namespace may hold of the class on a node.
    pub per_namespace: NamespaceBound,
    /// How many VMs the class takes on a node.
    pub max_vms: Option<u32>,
    /// What happens when the assured rates of the members pass the class's.
    pub admission: Admission,
    /// Between whom borrowed bytes are shared first.
    pub fairness: Fairness,
    /// Whether members may be served degraded output.
    pub allow_degraded: bool,
    /// Namespaces that may use the class; always within the pool's.
    pub namespaces: Namespaces,
}

impl ClassConfig {
    /// The class of a pool that names no `defaultClass`. No `EntropyClass` can have this name.
    pub const IMPLICIT: &'static str = "(default)";
}

/// The four numbers of a `tc-htb` class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Assured; zero is nothing assured.
    pub rate: BytesPerDay,
    /// Upper bound, borrowing included.
    pub ceil: BytesPerDay,
    /// Bytes that may go at once on the assured rate.
    pub burst: u64,
    /// Bytes that may go at once under the ceiling.
    pub cburst: u64,
}

/// Bounds on one namespace within a class; what is `None` is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceBound {
    /// Assured for the namespace instead of the sum over its VMs.
    pub rate: Option<BytesPerDay>,
    /// Upper bound for the namespace.
    pub ceil: Option<BytesPerDay>,
    /// How many VMs of the namespace the class takes on a node.
    pub max_vms: Option<u32>,
}

/// A set of namespaces, already resolved to names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Every namespace, also those that come later.
    All,
    /// Exactly these.
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

/// One source of one pool on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Name within the pool.
    pub name: String,
    /// Where the bytes come from.
    pub kind: SourceKind,
    /// Lower first.
    pub tier: u32,
    /// What the source gives on this node, where that is known.
    pub capacity: Option<BytesPerDay>,
    /// Assessed min-entropy in tenths of a bit per byte, 1 to 80; `None` earns no credit.
    pub min_entropy_tenths: Option<u8>,
    /// Tests on every sample.
    pub health_tests: BTreeSet<HealthTest>,
}

/// Where the bytes of a source come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// The kernel's generator.
    Kernel,
    /// A processor instruction.
    Cpu {
        /// `RDSEED`.
        instruction: String,
    },
    /// A character device.
    Device {
        /// Its path on the node.
        path: String,
    },
    /// An upstream EGD server on a unix socket.
    EgdUnix {
        /// Its path on the node.
        path: String,
    },
    /// An upstream EGD server over TCP.
    EgdTcp {
        /// `host:port`.
        address: String,
    },
    /// A regular file, for tests; it is never rewound.
    File {
        /// Its path on the node.
        path: String,
    },
}

/// What is promised for every byte of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A generator's output, seeded from the sources.
    Stretched,
    /// Full-entropy blocks (SP 800-90C).
    FullEntropy,
    /// Health-tested samples as they come.
    Raw,
}

/// What happens when too few sources are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSourceFailure {
    /// Silence over weak bytes.
    Hold,
    /// Stretched output, for classes that allow it.
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

/// What happens when the assured rates of a class's members pass the class's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The VM is refused.
    Strict,
    /// The assured rates shrink together.
    Proportional,
}

/// Between whom the borrowed bytes of a class are shared first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fairness {
    /// Namespaces, then the VMs of each.
    Namespace,
    /// VMs, whoever owns them.
    Vm,
}
