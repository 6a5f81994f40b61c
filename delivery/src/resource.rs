//! Splits a configuration into resources, and assembles it from them.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::config::{ClassConfig, NodeConfig, PoolConfig};
use crate::resource_set::ResourceName;

/// A part of the configuration that is delivered separately: an edit of a class delivers one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A pool, without its classes.
    Pool(PoolConfig),
    Class {
        pool: String,
        /// Its namespaces are ignored if it inherits those of the pool.
        class: ClassConfig,
        /// Its namespaces are those of the pool, so that a new namespace changes only the pool.
        inherits: bool,
    },
    /// What applies to the node as a whole.
    Node {
        /// See [`NodeConfig::pod_info_on_mount`].
        pod_info_on_mount: bool,
    },
}

impl Resource {
    /// The name under which it is delivered.
    pub fn name(&self) -> ResourceName {
        match self {
            Self::Pool(pool) => format!("pool/{}", pool.name).into(),
            Self::Class { pool, class, .. } => format!("class/{pool}/{}", class.name).into(),
            Self::Node { .. } => "node".into(),
        }
    }
}

/// Why resources do not form a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssembleError {
    /// A class belongs to a pool that does not exist.
    UnknownPool {
        class: String,
        pool: String,
    },
    /// A class is not below the root of its pool: an ancestor is missing or is the class itself.
    UnreachableClass {
        class: String,
        pool: String,
    },
    UnknownDefaultClass {
        class: String,
        pool: String,
    },
}

impl Display for AssembleError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPool { class, pool } => {
                write!(f, "class {class} belongs to pool {pool}, which is not in the configuration")
            }
            Self::UnreachableClass { class, pool } => {
                write!(
                    f,
                    "class {class} of pool {pool} is not below the root of the pool: a parent is missing or forms a cycle"
                )
            }
            Self::UnknownDefaultClass { class, pool } => {
                write!(f, "pool {pool} has no class {class}, which it names as its default class")
            }
        }
    }
}

impl std::error::Error for AssembleError {}

/// Splits a configuration into resources.
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
type ClassesByParent = BTreeMap<Option<String>, BTreeMap<String, ClassConfig>>;

/// Assembles a configuration from resources in any order.
pub fn assemble(parts: impl IntoIterator<Item = Resource>) -> Result<NodeConfig, AssembleError> {
    let mut pools = BTreeMap::new();
    let mut classes: BTreeMap<String, Vec<(ClassConfig, bool)>> = BTreeMap::new();
    let mut pod_info = None;
    for part in parts {
        match part {
            Resource::Pool(pool) => drop(pools.insert(pool.name.clone(), pool)),
            Resource::Node { pod_info_on_mount } => pod_info = Some(pod_info_on_mount),
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
            Err(AssembleError::UnknownPool { class, pool })
        }
        None => Ok(NodeConfig { pools: pools.into_values().collect(), pod_info_on_mount: pod_info }),
    }
}

/// Adds the classes to a pool: parents before children, siblings by name.
fn fill(pool: &mut PoolConfig, classes: Vec<(ClassConfig, bool)>) -> Result<(), AssembleError> {
    let mut below = ClassesByParent::new();
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
        return Err(AssembleError::UnreachableClass { class, pool });
    }
    if pool.classes.iter().all(|class| class.name != pool.default_class) {
        let (class, pool) = of(&pool.default_class);
        return Err(AssembleError::UnknownDefaultClass { class, pool });
    }
    Ok(())
}

/// In reverse order of names, because they are taken from the end.
fn children(classes: &mut ClassesByParent, parent: Option<&str>) -> Vec<ClassConfig> {
    classes.remove(&parent.map(str::to_owned)).unwrap_or_default().into_values().rev().collect()
}
