//! The pools and classes that VMs may name, and what a VM's metadata name.

use std::collections::BTreeMap;

use api::names::{CLASS_ANNOTATION, POOL_ANNOTATION, class_resource};
use delivery::{Admission, ClassConfig, NodeConfig, PoolConfig};
use serde_json::{Value, json};

use crate::denial::Denial;

/// The pools that nodes serve, with their classes and the namespaces that may use each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolIndex {
    pools: BTreeMap<String, PoolConfig>,
}

/// The pool and class that a VM gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSlot {
    pub pool: String,
    /// The class, which may be the pool's default class; `None` for the implicit class, which has no name.
    pub class: Option<String>,
    /// The extended resource with the class's slots, if they are counted.
    pub resource: Option<String>,
}

/// The pool and class that a VM's metadata name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested<'a> {
    pub(crate) pool: &'a str,
    pub(crate) class: Option<&'a str>,
}

impl<'a> Requested<'a> {
    /// `None` if `metadata` name no pool.
    pub(crate) fn of(metadata: &'a Value) -> Result<Option<Self>, Denial> {
        let Some(pool) = annotation(metadata, POOL_ANNOTATION) else { return Ok(None) };
        let class = annotation(metadata, CLASS_ANNOTATION);
        if pool.is_empty() {
            let remedy = "name a pool, or remove the annotation";
            return Err(Denial::EmptyAnnotation { key: POOL_ANNOTATION, remedy });
        }
        if class == Some("") {
            let remedy = "name a class, or remove the annotation to use the pool's default class";
            return Err(Denial::EmptyAnnotation { key: CLASS_ANNOTATION, remedy });
        }
        Ok(Some(Self { pool, class }))
    }
}

pub(crate) fn annotation<'a>(metadata: &'a Value, key: &str) -> Option<&'a str> {
    metadata["annotations"][key].as_str()
}

impl PoolIndex {
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a NodeConfig>) -> Self {
        let mut pools = BTreeMap::new();
        for pool in nodes.into_iter().flat_map(|node| &node.pools) {
            // A pool is the same on all its nodes but for rates, which do not matter here.
            if !pools.contains_key(&pool.name) {
                pools.insert(pool.name.clone(), pool.clone());
            }
        }
        Self { pools }
    }

    pub(crate) fn find(&self, requested: &Requested, namespace: &str) -> Result<ClassSlot, Denial> {
        let pool = self.pools.get(requested.pool).ok_or_else(|| self.unknown_pool(requested, namespace))?;
        let not_allowed =
            |object| Err(Denial::NamespaceNotAllowed { namespace: namespace.to_owned(), object });
        if !pool.namespaces.contains(namespace) {
            return not_allowed(format!("pool {}", pool.name));
        }
        let name = requested.class.unwrap_or(&pool.default_class);
        let named = |class: &&ClassConfig| class.name == name;
        // The implicit class has no name that a user could write.
        let class =
            pool.classes.iter().find(named).filter(|_| requested.class != Some(ClassConfig::IMPLICIT));
        let class = class.ok_or_else(|| unknown_class(pool, name, namespace))?;
        if !class.namespaces.contains(namespace) {
            return not_allowed(format!("class {}", class.name));
        }
        Ok(ClassSlot::of(pool, class))
    }

    fn unknown_pool(&self, requested: &Requested, namespace: &str) -> Denial {
        // A tenant is not told about the pools of others.
        let allowed = self.pools.values().filter(|pool| pool.namespaces.contains(namespace));
        let names: Vec<&String> = allowed.map(|pool| &pool.name).collect();
        let known = if names.is_empty() {
            format!("no node serves a pool that namespace {namespace} may use")
        } else {
            format!("namespace {namespace} may use {}", list(names.into_iter()))
        };
        Denial::UnknownPool { pool: requested.pool.to_owned(), known }
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
    // A tenant is not told about the classes of others either.
    let allowed =
        |class: &&ClassConfig| class.name != ClassConfig::IMPLICIT && class.namespaces.contains(namespace);
    let names: Vec<&String> = pool.classes.iter().filter(allowed).map(|class| &class.name).collect();
    let known = if names.is_empty() {
        "remove the annotation to use the pool's default class".to_owned()
    } else {
        format!("namespace {namespace} may use {}", list(names.into_iter()))
    };
    Denial::UnknownClass { pool: pool.name.clone(), class: class.to_owned(), known }
}

/// The first few of many names.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = names.take(SHOWN).map(String::as_str).collect();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Adds one slot of the class. The request and the limit of an extended resource must be equal.
pub(crate) fn with_resource(resources: &Value, resource: &str) -> Value {
    let mut resources = if resources.is_object() { resources.clone() } else { json!({}) };
    resources["requests"][resource] = json!("1");
    resources["limits"][resource] = json!("1");
    resources
}
