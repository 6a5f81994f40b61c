//! Whether a class has room for one more.

use alloc::string::{String, ToString};
use core::fmt;

use super::{Admission, Class, Pool};
use crate::units::Rate;

/// Why a class does not take a member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachError {
    /// The pool has no such class.
    UnknownClass {
        /// The class that was named.
        class: String,
    },
    /// The class has gone from the configuration and stays only for the members it has.
    ClosedClass {
        /// The class.
        class: String,
    },
    /// The class has as many members as it may.
    ClassFull {
        /// The class.
        class: String,
        /// How many it has.
        members: usize,
        /// How many it may have.
        max: u32,
    },
    /// The namespace has as many members in the class as it may.
    NamespaceFull {
        /// The class.
        class: String,
        /// The namespace.
        namespace: String,
        /// How many it has.
        members: usize,
        /// How many it may have.
        max: u32,
    },
    /// The members would be promised more than the class has.
    ClassRate {
        /// The class.
        class: String,
        /// What each member is promised.
        per_vm: Rate,
        /// How many members there are.
        members: usize,
        /// What the class has.
        rate: Rate,
    },
    /// The namespace's members would be promised more than it may hold of the class.
    NamespaceRate {
        /// The class.
        class: String,
        /// The namespace.
        namespace: String,
        /// What each member is promised.
        per_vm: Rate,
        /// How many members the namespace has in the class.
        members: usize,
        /// What it may hold.
        rate: Rate,
    },
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownClass { class } => write!(f, "the pool has no class {class}"),
            Self::ClosedClass { class } => {
                write!(f, "class {class} has been deleted and stays only for the VMs it has")
            }
            Self::ClassFull { class, members, max } => {
                write!(f, "class {class} has {members} of {max} VMs on this host")
            }
            Self::NamespaceFull { class, namespace, members, max } => {
                write!(f, "namespace {namespace} has {members} of {max} VMs in class {class} on this host")
            }
            Self::ClassRate { class, per_vm, members, rate } => write!(
                f,
                "class {class} assures {rate} on this host, and its {members} VMs and one more would need {per_vm} each"
            ),
            Self::NamespaceRate { class, namespace, per_vm, members, rate } => write!(
                f,
                "namespace {namespace} may hold {rate} of class {class} on this host, and its {members} VMs and one \
                 more would need {per_vm} each"
            ),
        }
    }
}

impl core::error::Error for AttachError {}

impl Pool {
    /// The full name of the class that takes one more member from `namespace`; `""` is the default class.
    pub(super) fn admit(&self, namespace: &str, class: &str) -> Result<String, AttachError> {
        let name = self.open(class)?;
        let class = &self.classes[&name];
        class.has_room()?;
        class.has_room_for(namespace)?;
        Ok(name)
    }

    /// The full name of a class that takes members, be there room or not.
    pub(super) fn open(&self, class: &str) -> Result<String, AttachError> {
        let name = if class.is_empty() { self.default_class.as_str() } else { class };
        match self.classes.get(name) {
            None => Err(AttachError::UnknownClass { class: name.to_string() }),
            Some(class) if class.closed => Err(AttachError::ClosedClass { class: name.to_string() }),
            Some(_) => Ok(name.to_string()),
        }
    }
}

impl Class {
    fn has_room(&self) -> Result<(), AttachError> {
        let (class, members) = (&self.params.name, self.members());
        if let Some(max) = self.params.max_vms.filter(|&max| members >= max as usize) {
            return Err(AttachError::ClassFull { class: class.clone(), members, max });
        }
        let (per_vm, rate) = (self.params.per_vm.rate, self.params.shape.rate);
        if self.promises_too_much(members, rate) {
            return Err(AttachError::ClassRate { class: class.clone(), per_vm, members, rate });
        }
        Ok(())
    }

    fn has_room_for(&self, namespace: &str) -> Result<(), AttachError> {
        let (class, bound, members) =
            (self.params.name.clone(), self.params.per_namespace, self.members_of(namespace));
        if let Some(max) = bound.max_vms.filter(|&max| members >= max as usize) {
            return Err(AttachError::NamespaceFull { class, namespace: namespace.to_string(), members, max });
        }
        let per_vm = self.params.per_vm.rate;
        if let Some(rate) = bound.rate.filter(|&rate| self.promises_too_much(members, rate)) {
            let namespace = namespace.to_string();
            return Err(AttachError::NamespaceRate { class, namespace, per_vm, members, rate });
        }
        Ok(())
    }

    /// Whether so many members and one more are strictly promised more than `rate`.
    fn promises_too_much(&self, members: usize, rate: Rate) -> bool {
        let promised =
            u128::from(self.params.per_vm.rate.0).saturating_mul((members as u128).saturating_add(1));
        self.params.admission == Admission::Strict && promised > u128::from(rate.0)
    }
}
