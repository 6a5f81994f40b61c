//! What a pool is told: its root, its classes, and what each gives its members.

use alloc::string::String;
use alloc::vec::Vec;

use crate::params::{DEFAULT_PRIO, DEFAULT_WEIGHT, Params};
use crate::units::Rate;

/// Two rates and the bursts that go with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Assured; zero: nothing.
    pub rate: Rate,
    /// The most that may be served.
    pub ceil: Rate,
    /// Bytes of `rate` that may be saved up.
    pub burst: u64,
    /// Bytes of `ceil` that may be saved up.
    pub cburst: u64,
}

impl Shape {
    /// The parameters of a node of this shape.
    pub fn params(self, prio: u8, weight: u16) -> Params {
        let Self { rate, ceil, burst, cburst } = self;
        Params { rate, ceil, burst, cburst, prio, weight }
    }

    /// The parameters of a node among equals.
    pub(super) fn among_equals(self) -> Params {
        self.params(DEFAULT_PRIO, DEFAULT_WEIGHT)
    }
}

/// A whole pool, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolParams {
    /// What may be promised (`rate`) and served (`ceil`) in all.
    pub root: Shape,
    /// The class of members that name none.
    pub default_class: String,
    /// The classes, each after its parent.
    pub classes: Vec<ClassParams>,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassParams {
    /// Its name, unique in the pool.
    pub name: String,
    /// The class above; none: the root is.
    pub parent: Option<String>,
    /// The class's own rates and bursts.
    pub shape: Shape,
    /// Among its siblings: 0 to 7, lower borrows first.
    pub prio: u8,
    /// Among its siblings of the same prio: 1 to 10000.
    pub weight: u16,
    /// Each member's leaf.
    pub per_vm: Shape,
    /// What one namespace may hold of the class.
    pub per_namespace: NamespaceBound,
    /// The most members; none: no bound but the rates.
    pub max_vms: Option<u32>,
    /// What happens when members are promised more than the class has.
    pub admission: Admission,
    /// Between whom the class is shared.
    pub fairness: Fairness,
}

/// What one namespace may hold of a class; none: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceBound {
    /// Assured to the namespace as a whole; none: the sum of its members' rates.
    pub rate: Option<Rate>,
    /// None: the class's ceil.
    pub ceil: Option<Rate>,
    /// The most members.
    pub max_vms: Option<u32>,
}

/// What happens when members are promised more than the class has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The member that would pass it is refused.
    #[default]
    Strict,
    /// All members' assured rates shrink together.
    Proportional,
}

/// Between whom a class is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fairness {
    /// Between namespaces first, then among the members of each.
    #[default]
    Namespace,
    /// Among all members.
    Vm,
}
