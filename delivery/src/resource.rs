//! A configuration taken apart into what travels by itself, and put together again.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::config::{ClassConfig, NodeConfig, PoolConfig};
use crate::resource_set::ResourceName;

/// What travels by itself: an edit of one class moves one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A pool, without its classes.
    Pool(PoolConfig),
    /// A class.
    Class {
        /// Its pool.
        pool: String,
        /// Itself. Where it inherits, its namespaces do not count.
        class: ClassConfig,
        /// Its namespaces are the pool's. Said so, a namespace that comes is news of the pool alone.
        inherits: bool,
    },
    /// What holds for the node as a whole.
    Node {
        /// See [`NodeConfig::pod_info_on_mount`].
        pod_info_on_mount: bool,
    },
}

impl Resource {
    /// What it is called on its way.
    pub fn name(&self) -> ResourceName {
        match self {
            Self::Pool(pool) => format!("pool/{}", pool.name).into(),
            Self::Class { pool, class, .. } => format!("class/{pool}/{}", class.name).into(),
            Self::Node { .. } => "node".into(),
        }
    }
}

/// Why parts are no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssembleError {
    /// A class of a pool that is not there.
    NoPool {
        /// The class.
        class: String,
        /// The pool.
        pool: String,
    },
    /// A class that no way leads to from its pool: a parent is not there, or is below it.
    NoInjectionMethod {
        /// The class.
        class: String,
        /// The pool.
        pool: String,
    },
    /// The class of those who name none is not there.
    NoDefault {
        /// The class.
        class: String,
        /// The pool.
        pool: String,
    },
}

impl Display for AssembleError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool { class, pool } => {
                write!(f, "class {class} is of pool {pool}, which is not in the configuration")
            }
            Self::NoInjectionMethod { class, pool } => {
                write!(
                    f,
                    "class {class} of pool {pool} is not below the pool: a parent is missing, or is below it"
                )
            }
            Self::NoDefault { class, pool } => {
                write!(f, "pool {pool} has no class {class}, which is its default class")
            }
        }
    }
}

impl std::error::Error for AssembleError {}

/// Takes a configuration apart.
pub fn split(config: &NodeConfig) -> impl Iterator<Item = Resource> + '_ {
    let node = config.pod_info_on_mount.map(|pod_info_on_mount| Resource::Node { pod_info_on_mount });
    let pools = config.pools.iter().flat_map(|pool| {
        let class = |class: &ClassConfig| Resource::Class {
            pool: pool.name.clone(),
            class: class.clone(),
            inherits: class.namespaces == pool.namespaces,
        };
        let alone = Resource::Pool(PoolConfig { classes: Vec::new(), ..pool.clone() });
        std::iter::once(alone).chain(pool.classes.iter().map(class))
    });
    node.into_iter().chain(pools)
}

/// Classes by their parent, each with its siblings by name.
type Below = BTreeMap<Option<String>, BTreeMap<String, ClassConfig>>;

/// Puts parts together, in whatever order they come.
pub fn assemble(parts: impl IntoIterator<Item = Resource>) -> Result<NodeConfig, AssembleError> {
    let mut pools = BTreeMap::new();
    let mut classes: BTreeMap<String, Vec<(ClassConfig, bool)>> = BTreeMap::new();
    let mut known = None;
    for part in parts {
        match part {
            Resource::Pool(pool) => drop(pools.insert(pool.name.clone(), pool)),
            Resource::Node { pod_info_on_mount } => known = Some(pod_info_on_mount),
            Resource::Class { pool, class, inherits } => {
                classes.entry(pool).or_default().push((class, inherits));
            }
        }
    }
    for pool in pools.values_mut() {
        fill(pool, classes.remove(&pool.name).unwrap_or_default())?;
    }
    match classes.into_iter().next() {
        Some((pool, classes)) => {
            let class = classes.into_iter().next().map(|(class, _)| class.name).unwrap_or_default();
            Err(AssembleError::NoPool { class, pool })
        }
        None => Ok(NodeConfig { pools: pools.into_values().collect(), pod_info_on_mount: known }),
    }
}

/// Gives a pool its classes: parents before children, siblings by name.
fn fill(pool: &mut PoolConfig, classes: Vec<(ClassConfig, bool)>) -> Result<(), AssembleError> {
    let mut below = Below::new();
    for (mut class, inherits) in classes {
        if inherits {
            class.namespaces.clone_from(&pool.namespaces);
        }
        below.entry(class.parent.clone()).or_default().insert(class.name.clone(), class);
    }
    let mut waiting: Vec<ClassConfig> = children(&mut below, None);
    while let Some(class) = waiting.pop() {
        waiting.extend(children(&mut below, Some(&class.name)));
        pool.classes.push(class);
    }
    let of = |class: &str| (class.to_owned(), pool.name.clone());
    if let Some(lost) = below.into_values().flatten().next() {
        let (class, pool) = of(&lost.0);
        return Err(AssembleError::NoInjectionMethod { class, pool });
    }
    if pool.classes.iter().all(|class| class.name != pool.default_class) {
        let (class, pool) = of(&pool.default_class);
        return Err(AssembleError::NoDefault { class, pool });
    }
    Ok(())
}

/// The last by name first, as they are taken from the end.
fn children(below: &mut Below, parent: Option<&str>) -> Vec<ClassConfig> {
    below.remove(&parent.map(str::to_owned)).unwrap_or_default().into_values().rev().collect()
}
