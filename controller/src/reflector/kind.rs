//! What is watched.

/// The kinds the controller follows. A version of a node's configuration names the newest change seen of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    /// `EntropyPool`.
    Pool,
    /// `EntropyClass`.
    Class,
    /// `Namespace`, metadata alone.
    Namespace,
    /// `Node`: name, labels and our own resources.
    Node,
    /// Launcher pods that the webhook labelled: uid, node and class.
    Vm,
    /// The agents' own pods: uid, node and account.
    Agent,
    /// `CSIDriver`: whether ours has the kubelet tell of pods.
    Driver,
    /// `KubeVirt`: which version runs, with which gates. A cluster may not have the kind.
    KubeVirt,
    /// `KubeVirt`'s `Plugin`, of which one is ours. A cluster may not have the kind.
    Plugin,
}

impl WatchKind {
    /// Those that agents wait for.
    pub const ALL: [Self; 7] =
        [Self::Pool, Self::Class, Self::Namespace, Self::Node, Self::Vm, Self::Agent, Self::Driver];

    /// As agents know it; pods are in no configuration.
    pub const fn delivered(self) -> Option<delivery::WatchedKind> {
        match self {
            Self::Pool => Some(delivery::WatchedKind::POOLS),
            Self::Class => Some(delivery::WatchedKind::CLASSES),
            Self::Namespace => Some(delivery::WatchedKind::NAMESPACES),
            Self::Node => Some(delivery::WatchedKind::NODES),
            Self::Driver => Some(delivery::WatchedKind::DRIVERS),
            Self::Vm | Self::Agent | Self::KubeVirt | Self::Plugin => None,
        }
    }

    /// Whether a cluster may be without the kind.
    pub const fn may_be_absent(self) -> bool {
        matches!(self, Self::KubeVirt | Self::Plugin)
    }

    /// The word that logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Class => "class",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Vm => "vm",
            Self::Driver => "driver",
            Self::KubeVirt => "kubevirt",
            Self::Plugin => "plugin",
            Self::Agent => "agent",
        }
    }
}
