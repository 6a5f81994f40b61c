//! The watched kinds.

/// The kinds that the controller watches. The version of a node's configuration names the newest version of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    Pool,
    Class,
    /// `Namespace`, metadata alone.
    Namespace,
    /// `Node`: name, labels and our own extended resources.
    Node,
    /// Launcher pods that the webhook labelled: uid and class.
    Vm,
    /// The agents' pods: uid, node and service account.
    Agent,
    /// `CSIDriver`: whether ours has `podInfoOnMount`.
    Driver,
    /// `KubeVirt`: version and feature gates. A cluster may not have the kind.
    KubeVirt,
    /// `KubeVirt`'s `Plugin`, one of which is ours. A cluster may not have the kind.
    Plugin,
}

impl WatchKind {
    /// The kinds that must be listed before agents are served.
    pub const ALL: [Self; 7] =
        [Self::Pool, Self::Class, Self::Namespace, Self::Node, Self::Vm, Self::Agent, Self::Driver];

    /// The kind in the version of a configuration; `None` for kinds that are in no configuration.
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

    pub const fn may_be_absent(self) -> bool {
        matches!(self, Self::KubeVirt | Self::Plugin)
    }

    /// The word for logs and metrics.
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
