//! What is watched.

/// The kinds the controller follows. A version of a node's configuration names the newest change seen of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
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
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pool, Self::Class, Self::Namespace, Self::Node, Self::Vm];

    /// As agents know it; launcher pods are in no configuration.
    pub const fn delivered(self) -> Option<delivery::Kind> {
        match self {
            Self::Pool => Some(delivery::Kind::POOLS),
            Self::Class => Some(delivery::Kind::CLASSES),
            Self::Namespace => Some(delivery::Kind::NAMESPACES),
            Self::Node => Some(delivery::Kind::NODES),
            Self::Vm => None,
        }
    }

    /// The word that logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Class => "class",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Vm => "vm",
        }
    }
}
