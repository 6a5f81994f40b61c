//! Rates fit under their own ceil, and the rates of VMs and namespaces fit into the rate of their class.

use api::{Admission, EntropyClassSpec, EntropyPoolSpec, Rate, Reason};

use super::violation::Violation;
use crate::budget::rounded;

pub(super) fn of_pool(spec: &EntropyPoolSpec) -> Option<Violation> {
    within("spec.rate", spec.rate.as_ref(), "spec.ceil", spec.ceil.as_ref())
}

/// A ceil above the parent's is harmless: status shows which one applies.
pub(super) fn of_class(spec: &EntropyClassSpec) -> Vec<Violation> {
    let (vm, namespace) = (&spec.per_vm, &spec.per_namespace);
    let rates = [
        ("spec.rate", &spec.rate, "spec.ceil", &spec.ceil),
        ("spec.perVM.rate", &vm.rate, "spec.perVM.ceil", &vm.ceil),
        ("spec.perNamespace.rate", &namespace.rate, "spec.perNamespace.ceil", &namespace.ceil),
        ("spec.perVM.rate", &vm.rate, "spec.perNamespace.ceil", &namespace.ceil),
    ];
    let broken = |(field, rate, ceil_field, ceil): (_, &Option<Rate>, _, &Option<Rate>)| {
        within(field, rate.as_ref(), ceil_field, ceil.as_ref())
    };
    rates.into_iter().filter_map(broken).collect()
}

fn within(field: &str, rate: Option<&Rate>, ceil_field: &str, ceil: Option<&Rate>) -> Option<Violation> {
    let (rate, ceil) = (rate?, ceil?);
    let excess = rate.bytes_per_day().checked_sub(ceil.bytes_per_day()).filter(|excess| *excess > 0)?;
    let message = format!(
        "{rate} is more than {ceil_field}, {ceil}, so it could not be served: raise the ceil, or lower the rate"
    );
    Some(Violation::new(Reason::RateOverCeil, field, message).by(excess, ceil_field))
}

/// A rate that the rates of several VMs are part of: the class's, or one namespace's share of it.
struct Bound<'a> {
    rate: &'a Rate,
    rate_field: &'static str,
    max_vms: Option<u32>,
    max_vms_field: &'static str,
}

pub(super) fn of_members(spec: &EntropyClassSpec) -> Vec<Violation> {
    let (vm, namespace) = (spec.per_vm.rate.as_ref(), spec.per_namespace.rate.as_ref());
    let mut found = Vec::new();
    found.extend(part_of("spec.perVM.rate", vm, "spec.rate", spec.rate.as_ref()));
    found.extend(part_of("spec.perNamespace.rate", namespace, "spec.rate", spec.rate.as_ref()));
    if namespace.is_some() {
        found.extend(part_of("spec.perVM.rate", vm, "spec.perNamespace.rate", namespace));
    }
    if spec.admission == Admission::Strict {
        found.extend(bounds(spec).filter_map(|bound| fits(vm?, &bound)));
    }
    found
}

fn bounds(spec: &EntropyClassSpec) -> impl Iterator<Item = Bound<'_>> {
    let class = spec.rate.as_ref().map(|rate| Bound {
        rate,
        rate_field: "spec.rate",
        max_vms: spec.max_vms,
        max_vms_field: "spec.maxVMs",
    });
    let namespace = spec.per_namespace.rate.as_ref().map(|rate| Bound {
        rate,
        rate_field: "spec.perNamespace.rate",
        max_vms: spec.per_namespace.max_vms,
        max_vms_field: "spec.perNamespace.maxVMs",
    });
    class.into_iter().chain(namespace)
}

/// The rate of a part does not exceed the rate of the whole.
fn part_of(field: &str, part: Option<&Rate>, whole_field: &str, whole: Option<&Rate>) -> Option<Violation> {
    let part = part?;
    let Some(whole) = whole else {
        let message = format!("{part} is part of {whole_field}, which is absent: write {whole_field} too");
        return Some(
            Violation::new(Reason::RateOverClass, field, message).by(part.bytes_per_day(), whole_field),
        );
    };
    let excess = part.bytes_per_day().checked_sub(whole.bytes_per_day()).filter(|excess| *excess > 0)?;
    let message =
        format!("{part} is more than {whole_field}, {whole}, which it is part of: write at most {whole}");
    Some(Violation::new(Reason::RateOverClass, field, message).by(excess, whole_field))
}

/// As many VMs as are admitted can each be assured their rate.
fn fits(vm: &Rate, bound: &Bound<'_>) -> Option<Violation> {
    let max_vms = bound.max_vms?;
    let needed = vm.bytes_per_day().saturating_mul(max_vms.into());
    let excess = needed.checked_sub(bound.rate.bytes_per_day()).filter(|excess| *excess > 0)?;
    let fit =
        htb::pool::members_that_fit(htb::Rate(bound.rate.bytes_per_day()), htb::Rate(vm.bytes_per_day()));
    // Not even one: that is reported on the rate itself.
    if fit == 0 {
        return None;
    }
    let message = format!(
        "{max_vms} VMs at {vm} are {}, more than {}, {}: write at most {fit}, or admission: Proportional",
        rounded(needed),
        bound.rate_field,
        bound.rate
    );
    Some(Violation::new(Reason::VmsOverRate, bound.max_vms_field, message).by(excess, bound.rate_field))
}
