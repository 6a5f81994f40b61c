//! Applies a configuration to a pool.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Class, ClassParams, PoolParams, PoolShaper};
use crate::node::{DEFAULT_PRIO, DEFAULT_WEIGHT};
use crate::tree::Tree;
use crate::units::Tick;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigureError {
    DuplicateClass {
        class: String,
    },
    UnnamedClass,
    /// A class names a parent that does not precede it.
    UnknownParent {
        class: String,
        parent: String,
    },
    /// The default class is not among the classes.
    UnknownDefault {
        class: String,
    },
}

impl fmt::Display for ConfigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateClass { class } => write!(f, "there are two classes named {class}"),
            Self::UnnamedClass => f.write_str("a class has no name"),
            Self::UnknownParent { class, parent } => {
                write!(f, "class {class} names parent {parent}, which does not precede it")
            }
            Self::UnknownDefault { class } => {
                write!(f, "the default class {class} is not among the classes of the pool")
            }
        }
    }
}

impl core::error::Error for ConfigureError {}

impl PoolShaper {
    /// A pool without members.
    pub fn new(params: &PoolParams, now: Tick) -> Result<Self, ConfigureError> {
        check(params)?;
        let tree = Tree::new(params.root.params(DEFAULT_PRIO, DEFAULT_WEIGHT), now);
        let default_class = params.default_class.clone();
        let mut pool = Self { tree, default_class, classes: BTreeMap::new(), members: Vec::new() };
        pool.apply(params, now);
        Ok(pool)
    }

    /// Applies another configuration. Classes of the same name are the same class. On an error, nothing
    /// changes. A class that is not in the configuration stays unchanged while it or a class below it has
    /// members, and accepts no new ones.
    pub fn configure(&mut self, params: &PoolParams, now: Tick) -> Result<(), ConfigureError> {
        check(params)?;
        self.apply(params, now);
        Ok(())
    }

    fn apply(&mut self, params: &PoolParams, now: Tick) {
        let root = self.tree.root();
        self.tree.set_params(root, params.root.params(DEFAULT_PRIO, DEFAULT_WEIGHT), now);
        self.default_class.clone_from(&params.default_class);
        for class in self.classes.values_mut() {
            class.deleted = true; // unless it is in the new configuration
        }
        for class in &params.classes {
            self.apply_class(class, now);
        }
        self.remove_unused(now);
    }

    /// Adds or changes a class. Its parent is already in place, so that moving it cannot create a cycle.
    fn apply_class(&mut self, params: &ClassParams, now: Tick) {
        let parent = match &params.parent {
            Some(parent) => self.classes.get(parent).expect("a parent that was checked").node,
            None => self.tree.root(),
        };
        let own = params.shape.params(params.prio, params.weight);
        let Some(class) = self.classes.get_mut(&params.name) else {
            let node = self.tree.add_class(parent, own, now);
            let class = Class { params: params.clone(), node, deleted: false, namespaces: BTreeMap::new() };
            self.classes.insert(params.name.clone(), class);
            return;
        };
        self.tree.set_parent(class.node, parent, now).expect("a parent that is already in place");
        self.tree.set_params(class.node, own, now);
        class.params = params.clone();
        class.deleted = false;
        class.regroup(&mut self.tree, now);
    }

    /// Removes the deleted classes without a node below them, from the leaves upwards.
    pub(super) fn remove_unused(&mut self, now: Tick) {
        let tree = &mut self.tree;
        loop {
            let before = self.classes.len();
            self.classes.retain(|_, class| !class.deleted || tree.remove(class.node, now).is_err());
            if self.classes.len() == before {
                return;
            }
        }
    }
}

fn check(params: &PoolParams) -> Result<(), ConfigureError> {
    let mut names = BTreeSet::new();
    for ClassParams { name, parent, .. } in &params.classes {
        if name.is_empty() {
            return Err(ConfigureError::UnnamedClass);
        }
        if let Some(parent) = parent.as_ref().filter(|&parent| !names.contains(parent)) {
            return Err(ConfigureError::UnknownParent { class: name.clone(), parent: parent.clone() });
        }
        if !names.insert(name) {
            return Err(ConfigureError::DuplicateClass { class: name.clone() });
        }
    }
    if names.contains(&params.default_class) {
        Ok(())
    } else {
        Err(ConfigureError::UnknownDefault { class: params.default_class.clone() })
    }
}
