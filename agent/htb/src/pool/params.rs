//! The configuration of a pool, and the arithmetic of promises.

use alloc::string::String;
use alloc::vec::Vec;

use crate::node::{DEFAULT_PRIO, DEFAULT_WEIGHT, Params};
use crate::units::Rate;

/// Two rates and their bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The assured rate; zero if nothing is assured.
    pub rate: Rate,
    /// The maximum rate.
    pub ceil: Rate,
    /// The size of the token bucket of `rate`, in bytes.
    pub burst: u64,
    /// The size of the token bucket of `ceil`, in bytes.
    pub cburst: u64,
}

impl Shape {
    /// The parameters of a node of this shape.
    pub fn params(self, prio: u8, weight: u16) -> Params {
        let Self { rate, ceil, burst, cburst } = self;
        Params { rate, ceil, burst, cburst, prio, weight }
    }

    /// The parameters of a node that is equal to its siblings.
    pub(super) fn among_equals(self) -> Params {
        self.params(DEFAULT_PRIO, DEFAULT_WEIGHT)
    }
}

/// A pool, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolParams {
    /// The rate that can be promised, and the ceil of the pool.
    pub root: Shape,
    /// The class of members that name none.
    pub default_class: String,
    /// Parents before children.
    pub classes: Vec<ClassParams>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassParams {
    /// Unique in the pool.
    pub name: String,
    /// `None` for the root.
    pub parent: Option<String>,
    pub shape: Shape,
    /// 0 to 7; lower numbers borrow first among siblings.
    pub prio: u8,
    /// 1 to 10000: the share among siblings of the same prio.
    pub weight: u16,
    /// The shape of each member's leaf.
    pub per_vm: Shape,
    pub per_namespace: NamespaceBound,
    /// `None` if only the rates limit the number.
    pub max_vms: Option<u32>,
    pub admission: Admission,
    pub fairness: Fairness,
}

/// Limits on one namespace in a class; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceBound {
    /// What the namespace is assured as a whole; `None` for the sum of its members' rates.
    pub rate: Option<Rate>,
    /// `None` for the ceil of the class.
    pub ceil: Option<Rate>,
    pub max_vms: Option<u32>,
}

/// What happens when members would be assured more than the class is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The member is refused.
    #[default]
    Strict,
    /// The assured rates of all members shrink in proportion.
    Proportional,
}

/// How borrowed bytes are shared within a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fairness {
    /// Among namespaces, then among the members of each.
    #[default]
    Namespace,
    /// Among all members.
    Vm,
}

/// The default burst of a rate: what it yields in 10 ms, and at least 1Ki.
pub fn default_burst(rate: Rate) -> u64 {
    (rate.0 / 8_640_000).max(1024) // a day has 8,640,000 times 10 ms; a fraction of a byte does not matter
}

/// How many members a rate can assure `per_vm` each; no limit if that is zero.
pub fn members_that_fit(rate: Rate, per_vm: Rate) -> u32 {
    let fit = rate.0.checked_div(per_vm.0).unwrap_or(u64::MAX);
    u32::try_from(fit).unwrap_or(u32::MAX)
}

/// `part` of `whole`, scaled to `size` and rounded down; zero if `whole` is 0.
pub(super) fn scale(part: Rate, size: Rate, whole: u128) -> Rate {
    let scaled = u128::from(part.0).saturating_mul(u128::from(size.0)).checked_div(whole).unwrap_or(0);
    Rate(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// What each of `members` is assured of `rate` if all are promised `each` and shrink in proportion.
pub(super) fn shrink(each: Rate, members: usize, rate: Rate) -> Rate {
    let promised = u128::from(each.0).saturating_mul(members as u128);
    if promised <= u128::from(rate.0) { each } else { scale(each, rate, promised) }
}
