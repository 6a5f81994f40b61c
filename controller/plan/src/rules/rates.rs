//! A rate does not exceed its own ceil.

use api::{EntropyClassSpec, EntropyPoolSpec, Rate, Reason};

use super::Violation;

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
