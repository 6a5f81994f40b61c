//! Whether a class has room for another member.

use alloc::string::{String, ToString};
use core::fmt;

use super::{Admission, Class, PoolShaper};
use crate::units::Rate;

/// Why a class does not accept a member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdmissionError {
    UnknownClass {
        class: String,
    },
    /// The class is not in the configuration anymore, and stays only for its members.
    DeletedClass {
        class: String,
    },
    /// The class has its maximum number of members.
    ClassFull {
        class: String,
        members: usize,
        max: u32,
    },
    /// The namespace has its maximum number of members in the class.
    NamespaceFull {
        class: String,
        namespace: String,
        members: usize,
        max: u32,
    },
    /// The members would be assured more than the class is.
    ClassRate {
        class: String,
        /// What each member is assured.
        per_vm: Rate,
        members: usize,
        /// What the class is assured.
        rate: Rate,
    },
    /// The members of the namespace would be assured more than the namespace can have.
    NamespaceRate {
        class: String,
        namespace: String,
        /// What each member is assured.
        per_vm: Rate,
        members: usize,
        /// What the namespace can have.
        rate: Rate,
    },
}

impl fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownClass { class } => write!(f, "the pool has no class {class}"),
            Self::DeletedClass { class } => {
                write!(f, "class {class} has been deleted, and is kept only for the VMs that it still has")
            }
            Self::ClassFull { class, members, max } => {
                write!(f, "class {class} has {members} of {max} VMs on this host")
            }
            Self::NamespaceFull { class, namespace, members, max } => {
                write!(f, "namespace {namespace} has {members} of {max} VMs in class {class} on this host")
            }
            Self::ClassRate { class, per_vm, members, rate } => write!(
                f,
                "class {class} is assured {rate} on this host, and its {members} VMs and one more would need {per_vm} each"
            ),
            Self::NamespaceRate { class, namespace, per_vm, members, rate } => write!(
                f,
                "namespace {namespace} can be assured {rate} of class {class} on this host, and its {members} VMs and one \
                 more would need {per_vm} each"
            ),
        }
    }
}

impl core::error::Error for AdmissionError {}

impl PoolShaper {
    /// The name of the class that accepts another member from `namespace`; `""` is the default class.
    pub(super) fn admit(&self, namespace: &str, class: &str) -> Result<String, AdmissionError> {
        let name = self.find_open(class)?;
        let class = &self.classes[&name];
        class.has_room()?;
        class.has_room_for_namespace(namespace)?;
        Ok(name)
    }

    /// The name of a class that is not deleted, even if it is full.
    pub(super) fn find_open(&self, class: &str) -> Result<String, AdmissionError> {
        let name = if class.is_empty() { self.default_class.as_str() } else { class };
        match self.classes.get(name) {
            None => Err(AdmissionError::UnknownClass { class: name.to_string() }),
            Some(class) if class.deleted => Err(AdmissionError::DeletedClass { class: name.to_string() }),
            Some(_) => Ok(name.to_string()),
        }
    }
}

impl Class {
    fn has_room(&self) -> Result<(), AdmissionError> {
        let (class, members) = (&self.params.name, self.members());
        if let Some(max) = self.params.max_vms.filter(|&max| members >= max as usize) {
            return Err(AdmissionError::ClassFull { class: class.clone(), members, max });
        }
        let (per_vm, rate) = (self.params.per_vm.rate, self.params.shape.rate);
        if self.would_exceed(members, rate) {
            return Err(AdmissionError::ClassRate { class: class.clone(), per_vm, members, rate });
        }
        Ok(())
    }

    fn has_room_for_namespace(&self, namespace: &str) -> Result<(), AdmissionError> {
        let class = self.params.name.clone();
        let bound = self.params.per_namespace;
        let members = self.members_of(namespace);
        if let Some(max) = bound.max_vms.filter(|&max| members >= max as usize) {
            return Err(AdmissionError::NamespaceFull {
                class,
                namespace: namespace.to_string(),
                members,
                max,
            });
        }
        let per_vm = self.params.per_vm.rate;
        if let Some(rate) = bound.rate.filter(|&rate| self.would_exceed(members, rate)) {
            let namespace = namespace.to_string();
            return Err(AdmissionError::NamespaceRate { class, namespace, per_vm, members, rate });
        }
        Ok(())
    }

    /// Whether one more than `members` would be strictly assured more than `rate`.
    fn would_exceed(&self, members: usize, rate: Rate) -> bool {
        let promised =
            u128::from(self.params.per_vm.rate.0).saturating_mul((members as u128).saturating_add(1));
        self.params.admission == Admission::Strict && promised > u128::from(rate.0)
    }
}
