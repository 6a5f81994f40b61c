//! What may be named: the pools that nodes serve, with their classes and the namespaces that may use each.

use std::collections::BTreeMap;

use api::names::class_resource;
use delivery::{Admission, ClassConfig, NodeConfig, PoolConfig};

use crate::denial::Denial;
use crate::requested::Requested;

/// The pools of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolIndex {
    pools: BTreeMap<String, PoolConfig>,
}

/// A place that a VM may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSlot {
    /// The pool.
    pub pool: String,
    /// The class, be it the pool's default one; `None` where that has no name of its own.
    pub class: Option<String>,
    /// The node resource that counts the class's places, where they are counted.
    pub resource: Option<String>,
}

impl PoolIndex {
    /// What nodes serve.
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a NodeConfig>) -> Self {
        let mut pools = BTreeMap::new();
        for pool in nodes.into_iter().flat_map(|node| &node.pools) {
            // A pool is the same on all its nodes but for figures, none of which matter here.
            if !pools.contains_key(&pool.name) {
                pools.insert(pool.name.clone(), pool.clone());
            }
        }
        Self { pools }
    }

    pub(crate) fn find(&self, wish: &Requested, namespace: &str) -> Result<ClassSlot, Denial> {
        let pool = self.pools.get(wish.pool).ok_or_else(|| self.unknown_pool(wish, namespace))?;
        let refused = |what| Err(Denial::NamespaceNotAllowed { namespace: namespace.to_owned(), what });
        if !pool.namespaces.contains(namespace) {
            return refused(format!("pool {}", pool.name));
        }
        let name = wish.class.unwrap_or(&pool.default_class);
        // The implicit class has no name that a user could write.
        let named = |class: &&ClassConfig| class.name == name;
        let class = pool.classes.iter().find(named).filter(|_| wish.class != Some(ClassConfig::IMPLICIT));
        let class = class.ok_or_else(|| unknown_class(pool, name, namespace))?;
        if !class.namespaces.contains(namespace) {
            return refused(format!("class {}", class.name));
        }
        Ok(ClassSlot::of(pool, class))
    }

    fn unknown_pool(&self, wish: &Requested, namespace: &str) -> Denial {
        // Of other tenants' pools it is not for this one to know.
        let open = self.pools.values().filter(|pool| pool.namespaces.contains(namespace));
        let names: Vec<&String> = open.map(|pool| &pool.name).collect();
        let known = if names.is_empty() {
            format!("no node serves one yet that namespace {namespace} may use")
        } else {
            format!("namespace {namespace} may use {}", listed(names.into_iter()))
        };
        Denial::UnknownPool { pool: wish.pool.to_owned(), known }
    }
}

impl ClassSlot {
    fn of(pool: &PoolConfig, class: &ClassConfig) -> Self {
        let counted = class.admission == Admission::Strict && class.max_vms.is_some();
        Self {
            pool: pool.name.clone(),
            class: Some(class.name.clone()).filter(|name| name != ClassConfig::IMPLICIT),
            resource: counted.then(|| class_resource(&class.name)),
        }
    }
}

fn unknown_class(pool: &PoolConfig, class: &str, namespace: &str) -> Denial {
    // Nor of their classes.
    let open =
        |class: &&ClassConfig| class.name != ClassConfig::IMPLICIT && class.namespaces.contains(namespace);
    let names: Vec<&String> = pool.classes.iter().filter(open).map(|class| &class.name).collect();
    let known = if names.is_empty() {
        "leave the annotation out for its default class".to_owned()
    } else {
        format!("namespace {namespace} may use {}", listed(names.into_iter()))
    };
    Denial::UnknownClass { pool: pool.name.clone(), class: class.to_owned(), known }
}

/// A few of many names.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const MOST: usize = 8;
    let more = names.len().saturating_sub(MOST);
    let shown: Vec<&str> = names.take(MOST).map(String::as_str).collect();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
