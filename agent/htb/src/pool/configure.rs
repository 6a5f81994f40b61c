//! A pool's configuration, and the way from one to the next.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Class, ClassParams, Pool, PoolParams};
use crate::params::{DEFAULT_PRIO, DEFAULT_WEIGHT};
use crate::tree::Tree;
use crate::units::Tick;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigureError {
    /// Two classes have one name.
    DuplicateClass {
        /// The name.
        class: String,
    },
    /// A class has no name.
    UnnamedClass,
    /// A class names a parent that does not stand before it.
    UnknownParent {
        /// The class.
        class: String,
        /// The parent it names.
        parent: String,
    },
    /// The default class is none of the classes.
    UnknownDefault {
        /// The default class.
        class: String,
    },
}

impl fmt::Display for ConfigureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateClass { class } => write!(f, "there are two classes {class}"),
            Self::UnnamedClass => f.write_str("a class has no name"),
            Self::UnknownParent { class, parent } => {
                write!(f, "class {class} names the parent {parent}, which does not stand before it")
            }
            Self::UnknownDefault { class } => {
                write!(f, "the default class {class} is none of the pool's classes")
            }
        }
    }
}

impl core::error::Error for ConfigureError {}

impl Pool {
    /// A pool without members.
    pub fn new(params: &PoolParams, now: Tick) -> Result<Self, ConfigureError> {
        check(params)?;
        let tree = Tree::new(params.root.params(DEFAULT_PRIO, DEFAULT_WEIGHT), now);
        let (default_class, classes) = (params.default_class.clone(), BTreeMap::new());
        let mut pool = Self { tree, default_class, classes, members: Vec::new() };
        pool.apply(params, now);
        Ok(pool)
    }

    /// Goes over to another configuration: classes are the same if they have the same name. On an error nothing
    /// has changed. A class that is no longer named stays, as it was, while it or a class below has members; it
    /// takes no new ones.
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
            class.closed = true; // until it is found to be named
        }
        for class in &params.classes {
            self.apply_class(class, now);
        }
        self.remove_unused(now);
    }

    /// Makes or changes one class. Its parent already stands where it shall, so moving it makes no cycle.
    fn apply_class(&mut self, params: &ClassParams, now: Tick) {
        let parent = match &params.parent {
            Some(parent) => self.classes.get(parent).expect("a parent that was checked").node,
            None => self.tree.root(),
        };
        let own = params.shape.params(params.prio, params.weight);
        let Some(class) = self.classes.get_mut(&params.name) else {
            let node = self.tree.add_class(parent, own, now);
            let class = Class { params: params.clone(), node, closed: false, namespaces: BTreeMap::new() };
            self.classes.insert(params.name.clone(), class);
            return;
        };
        self.tree.set_parent(class.node, parent, now).expect("a parent that is already in place");
        self.tree.set_params(class.node, own, now);
        class.params = params.clone();
        class.closed = false;
        class.regroup(&mut self.tree, now);
    }

    /// Removes the closed classes that nothing stands below any more, from the leaves up.
    pub(super) fn remove_unused(&mut self, now: Tick) {
        let tree = &mut self.tree;
        loop {
            let before = self.classes.len();
            self.classes.retain(|_, class| !class.closed || tree.remove(class.node, now).is_err());
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
