//! A rate beside its own ceil.

use api::{EntropyClassSpec, EntropyPoolSpec, Rate, Reason};

use super::Finding;

/// The rates of a pool.
pub(super) fn of_pool(spec: &EntropyPoolSpec) -> Option<Finding> {
    within("spec.rate", spec.rate.as_ref(), "spec.ceil", spec.ceil.as_ref())
}

/// The rates of a class, of its VMs and of its namespaces. A ceil above the one it stands under is harmless,
/// and status shows which one holds.
pub(super) fn of_class(spec: &EntropyClassSpec) -> Vec<Finding> {
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

fn within(field: &str, rate: Option<&Rate>, ceil_field: &str, ceil: Option<&Rate>) -> Option<Finding> {
    let (rate, ceil) = (rate?, ceil?);
    let excess = rate.bytes_per_day().checked_sub(ceil.bytes_per_day()).filter(|excess| *excess > 0)?;
    let message = format!(
        "{rate} is more than {ceil_field}, {ceil}: what is assured must also be served, so raise the ceil or lower \
         the rate"
    );
    Some(Finding::new(Reason::RateOverCeil, field, message).by(excess, ceil_field))
}
