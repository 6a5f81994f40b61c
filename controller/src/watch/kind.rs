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
