//! Why a VM that names a pool does not come.

/// A refusal, whose sentence the user reads in the answer to `kubectl` or in an event of the VM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No node serves such a pool.
    #[error("there is no pool {pool} (annotation entropool.io/pool); {known}")]
    UnknownPool {
        /// What was named.
        pool: String,
        /// What there is, as a sentence.
        known: String,
    },
    /// The pool has no such class.
    #[error("pool {pool} has no class {class} (annotation entropool.io/class); {known}")]
    UnknownClass {
        /// The pool.
        pool: String,
        /// What was named.
        class: String,
        /// What there is, as a sentence.
        known: String,
    },
    /// The namespace has no right to it.
    #[error("namespace {namespace} may not use {what}: its allowedNamespaces do not select it")]
    NamespaceNotAllowed {
        /// The namespace.
        namespace: String,
        /// `pool default` or `class gold`.
        what: String,
    },
    /// An annotation is there and says nothing.
    #[error("annotation {key} is empty; {expected}")]
    Empty {
        /// Which.
        key: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// Nothing in this cluster could change the domain.
    #[error("a VM cannot draw from a pool here: {0}")]
    NoInjectionMethod(String),
    /// The pod would have the socket, and its VM would not ask it.
    #[error(
        "the launcher pod names a pool, and its VM was made without the hook sidecar of entropool; stop the VM and \
         start it again"
    )]
    NoSidecar,
    /// The list of sidecars is somebody else's, and cannot be read.
    #[error(
        "annotation hooks.kubevirt.io/hookSidecars is not a JSON list, so entropool's sidecar cannot be added"
    )]
    UnreadableSidecars,
    /// Something else has the name.
    #[error("the launcher pod has {what} already, and it is not entropool's")]
    Taken {
        /// What.
        what: &'static str,
    },
    /// A pod draws from one pool for as long as it is.
    #[error(
        "the VM draws from pool {pool} for as long as it runs (annotation entropool.io/pool); to have it draw from \
         another, name that in the VM's template and start the VM again"
    )]
    AnotherPool {
        /// Its pool.
        pool: String,
    },
    /// Nobody can be moved there.
    #[error(
        "class {class} of pool {pool} has no place left on the VM's node now, so the VM stays in its class"
    )]
    Full {
        /// The class.
        class: String,
        /// Its pool.
        pool: String,
    },
    /// It is no launcher pod of a known shape.
    #[error("the launcher pod has no container named compute, so nobody could be given the socket")]
    NoCompute,
}

impl Denial {
    /// The one word for logs, metrics and the answer's `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPool { .. } => "UnknownPool",
            Self::UnknownClass { .. } => "UnknownClass",
            Self::NamespaceNotAllowed { .. } => "NamespaceNotAllowed",
            Self::Empty { .. } => "EmptyAnnotation",
            Self::NoInjectionMethod(_) => "NoInjectionMethod",
            Self::NoSidecar => "NoSidecar",
            Self::UnreadableSidecars => "UnreadableSidecars",
            Self::Taken { .. } => "NameTaken",
            Self::AnotherPool { .. } => "AnotherPool",
            Self::Full { .. } => "ClassFull",
            Self::NoCompute => "NoCompute",
        }
    }

    /// Whether it may be otherwise as soon as something that was just made is known: a pool that was applied together
    /// with its VM.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::UnknownPool { .. }
            | Self::UnknownClass { .. }
            | Self::NamespaceNotAllowed { .. }
            | Self::NoInjectionMethod(_) => true,
            Self::Empty { .. }
            | Self::NoSidecar
            | Self::UnreadableSidecars
            | Self::Taken { .. }
            | Self::AnotherPool { .. }
            | Self::Full { .. }
            | Self::NoCompute => false,
        }
    }

    /// The HTTP status of the answer: whose fault it is.
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::NamespaceNotAllowed { .. } => 403,
            Self::UnknownPool { .. }
            | Self::UnknownClass { .. }
            | Self::Empty { .. }
            | Self::NoInjectionMethod(_)
            | Self::NoSidecar
            | Self::UnreadableSidecars
            | Self::Taken { .. }
            | Self::AnotherPool { .. }
            | Self::NoCompute => 422,
            Self::Full { .. } => 409,
        }
    }
}
