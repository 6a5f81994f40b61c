//! Why a VM that names a pool is rejected.

/// A rejection. The user reads its message in the answer to `kubectl`, or in an Event of the VM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// `known` says which pools the namespace may use.
    #[error("there is no pool {pool} (annotation entropool.io/pool); {known}")]
    UnknownPool { pool: String, known: String },
    /// `known` says which classes the namespace may use.
    #[error("pool {pool} has no class {class} (annotation entropool.io/class); {known}")]
    UnknownClass { pool: String, class: String, known: String },
    /// `object` is `pool default` or `class gold`.
    #[error("namespace {namespace} may not use {object}: the allowedNamespaces of {object} do not select it")]
    NamespaceNotAllowed { namespace: String, object: String },
    #[error("annotation {key} is empty: {remedy}")]
    EmptyAnnotation { key: &'static str, remedy: &'static str },
    /// Nothing in this cluster can change the domain.
    #[error("no VM of this cluster can be connected to a pool: {0}")]
    NoInjectionMethod(String),
    /// The pod would have the socket, and its VM would not use it.
    #[error(
        "the VM was created without entropool's hook sidecar, so it cannot use the pool that its launcher pod names: \
         stop the VM and start it again"
    )]
    NoSidecar,
    #[error(
        "annotation hooks.kubevirt.io/hookSidecars is not a JSON list, so entropool's sidecar cannot be added: correct \
         or remove the annotation"
    )]
    UnreadableSidecars,
    #[error("the launcher pod already has {object} that is not entropool's: rename or remove it")]
    NameTaken { object: &'static str },
    #[error(
        "the pool of a running VM cannot be changed, and this VM uses pool {pool} (annotation entropool.io/pool): name \
         the other pool in the VM's template, and start the VM again"
    )]
    AnotherPool { pool: String },
    #[error(
        "class {class} of pool {pool} has no free slot on the VM's node, so the VM stays in its class: try again when \
         a VM has left the class"
    )]
    ClassFull { class: String, pool: String },
    #[error(
        "the pod has two volumes of driver csi.entropool.io, and an agent serves one for each pod: remove one"
    )]
    TwoVolumes,
    #[error(
        "the pod's volume of driver csi.entropool.io names no pool: add `entropool.io/pool: NAME` under its \
         volumeAttributes"
    )]
    NoPool,
    #[error("the launcher pod has no container compute, so the VM's socket cannot be mounted")]
    NoCompute,
}

impl Denial {
    /// The word for logs, metrics and the `reason` of the answer.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPool { .. } => "UnknownPool",
            Self::UnknownClass { .. } => "UnknownClass",
            Self::NamespaceNotAllowed { .. } => "NamespaceNotAllowed",
            Self::EmptyAnnotation { .. } => "EmptyAnnotation",
            Self::NoInjectionMethod(_) => "NoInjectionMethod",
            Self::NoSidecar => "NoSidecar",
            Self::UnreadableSidecars => "UnreadableSidecars",
            Self::NameTaken { .. } => "NameTaken",
            Self::AnotherPool { .. } => "AnotherPool",
            Self::ClassFull { .. } => "ClassFull",
            Self::TwoVolumes => "TwoVolumes",
            Self::NoPool => "NoPool",
            Self::NoCompute => "NoCompute",
        }
    }

    /// Whether the same request may be allowed a moment later: a pool may have been applied together with its VM.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::UnknownPool { .. }
            | Self::UnknownClass { .. }
            | Self::NamespaceNotAllowed { .. }
            | Self::NoInjectionMethod(_) => true,
            Self::EmptyAnnotation { .. }
            | Self::NoSidecar
            | Self::UnreadableSidecars
            | Self::NameTaken { .. }
            | Self::AnotherPool { .. }
            | Self::ClassFull { .. }
            | Self::TwoVolumes
            | Self::NoPool
            | Self::NoCompute => false,
        }
    }

    /// The HTTP status of the answer.
    pub(crate) fn code(&self) -> u16 {
        match self {
            Self::NamespaceNotAllowed { .. } => 403,
            Self::UnknownPool { .. }
            | Self::UnknownClass { .. }
            | Self::EmptyAnnotation { .. }
            | Self::NoInjectionMethod(_)
            | Self::NoSidecar
            | Self::UnreadableSidecars
            | Self::NameTaken { .. }
            | Self::AnotherPool { .. }
            | Self::TwoVolumes
            | Self::NoPool
            | Self::NoCompute => 422,
            Self::ClassFull { .. } => 409,
        }
    }
}
