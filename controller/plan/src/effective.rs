//! The figures in effect: those of the spec, and computed ones where the spec has none.

use api::{
    Admission, ClassEffective, EntropyClassSpec, EntropyPoolSpec, PerNamespace, PerVm, PoolEffective, Rate,
    Size,
};
use delivery::{BytesPerDay, ClassConfig, NamespaceBound, Namespaces, Shape};

/// What a pool may promise if the yield of its sources is unknown: 64Mi/s.
const UNKNOWN_SUPPLY: u64 = (64 << 20) * 86_400;

/// The root of a pool on a node where its sources yield `supply` bytes a day.
pub(crate) fn root(spec: &EntropyPoolSpec, supply: Option<u64>) -> Shape {
    let written_ceil = spec.ceil.as_ref().map_or(u64::MAX, Rate::bytes_per_day);
    let default = supply.unwrap_or(UNKNOWN_SUPPLY).min(written_ceil).min(Rate::MAX);
    let rate = spec.rate.as_ref().map_or(default, Rate::bytes_per_day);
    let ceil = spec.ceil.as_ref().map_or(rate, Rate::bytes_per_day);
    shape(rate, ceil, spec.burst.as_ref(), spec.cburst.as_ref())
}

/// A class under a parent of this shape.
pub(crate) fn class(
    name: &str,
    spec: &EntropyClassSpec,
    parent: &Shape,
    namespaces: Namespaces,
) -> ClassConfig {
    let ceil = within(spec.ceil.as_ref(), parent.ceil.0);
    ClassConfig {
        name: name.to_owned(),
        parent: spec.parent.clone(),
        shape: shape(assured(spec), ceil, spec.burst.as_ref(), spec.cburst.as_ref()),
        prio: spec.prio,
        weight: spec.weight.into(),
        per_vm: per_vm(&spec.per_vm, ceil),
        max_connections: spec.per_vm.max_connections.unwrap_or(ClassConfig::DEFAULT_MAX_CONNECTIONS),
        per_namespace: per_namespace(&spec.per_namespace, ceil),
        max_vms: max_vms(spec),
        admission: match spec.admission {
            Admission::Strict => delivery::Admission::Strict,
            Admission::Proportional => delivery::Admission::Proportional,
        },
        fairness: match spec.fairness {
            api::Fairness::Namespace => delivery::Fairness::Namespace,
            api::Fairness::Vm => delivery::Fairness::Vm,
        },
        allow_degraded: spec.allow_degraded,
        namespaces,
    }
}

fn per_vm(spec: &PerVm, class_ceil: u64) -> Shape {
    let ceil = within(spec.ceil.as_ref(), class_ceil);
    shape(per_day(spec.rate.as_ref()), ceil, spec.burst.as_ref(), spec.cburst.as_ref())
}

fn per_namespace(spec: &PerNamespace, class_ceil: u64) -> NamespaceBound {
    NamespaceBound {
        rate: spec.rate.as_ref().map(|rate| BytesPerDay(rate.bytes_per_day())),
        ceil: spec.ceil.as_ref().map(|ceil| BytesPerDay(ceil.bytes_per_day().min(class_ceil))),
        max_vms: spec.max_vms,
    }
}

/// How many VMs a class admits. Without `maxVMs`, a `Proportional` class has no bound: it exists to admit more
/// than its rate has room for.
fn max_vms(spec: &EntropyClassSpec) -> Option<u32> {
    let each = spec.per_vm.rate.as_ref().filter(|_| spec.admission == Admission::Strict);
    let fit = each
        .map(|each| htb::pool::members_that_fit(htb::Rate(assured(spec)), htb::Rate(each.bytes_per_day())));
    spec.max_vms.or(fit)
}

/// A ceil above the parent's has no effect.
fn within(ceil: Option<&Rate>, above: u64) -> u64 {
    ceil.map_or(above, |ceil| ceil.bytes_per_day().min(above))
}

fn shape(rate: u64, ceil: u64, burst: Option<&Size>, cburst: Option<&Size>) -> Shape {
    let bytes = |written: Option<&Size>, rate| {
        written.map_or_else(|| htb::pool::default_burst(htb::Rate(rate)), Size::bytes)
    };
    Shape {
        rate: BytesPerDay(rate),
        ceil: BytesPerDay(ceil),
        burst: bytes(burst, rate),
        cburst: bytes(cburst, ceil),
    }
}

/// The figures of a pool, in the spec's own spelling where the spec has them.
pub(crate) fn pool_status(spec: &EntropyPoolSpec, shape: &Shape) -> PoolEffective {
    PoolEffective {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: Some(size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
    }
}

/// The figures of a class, in the spec's own spelling where the spec has them.
pub(crate) fn class_status(spec: &EntropyClassSpec, config: &ClassConfig) -> ClassEffective {
    let shape = &config.shape;
    ClassEffective {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: (shape.rate.0 > 0).then(|| size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
        quantum: u32::try_from(htb::quantum(spec.weight)).ok(),
        max_vms: config.max_vms,
        per_vm: Some(per_vm_status(&spec.per_vm, config)),
        per_namespace: Some(per_namespace_status(&spec.per_namespace, &config.per_namespace, shape.ceil.0)),
    }
}

fn per_vm_status(spec: &PerVm, config: &ClassConfig) -> PerVm {
    let shape = &config.per_vm;
    PerVm {
        rate: rate(spec.rate.as_ref(), shape.rate.0),
        ceil: rate(spec.ceil.as_ref(), shape.ceil.0),
        burst: (shape.rate.0 > 0).then(|| size(spec.burst.as_ref(), shape.burst)),
        cburst: Some(size(spec.cburst.as_ref(), shape.cburst)),
        max_connections: Some(config.max_connections),
    }
}

fn per_namespace_status(spec: &PerNamespace, bound: &NamespaceBound, class_ceil: u64) -> PerNamespace {
    let ceil = bound.ceil.map_or(class_ceil, |ceil| ceil.0);
    PerNamespace { rate: spec.rate.clone(), ceil: rate(spec.ceil.as_ref(), ceil), max_vms: spec.max_vms }
}

/// In the spec's spelling if the value is the spec's; `None` for zero.
fn rate(written: Option<&Rate>, value: u64) -> Option<Rate> {
    let same = written.filter(|rate| rate.bytes_per_day() == value).cloned();
    same.or_else(|| (value > 0).then(|| Rate::from_bytes_per_day(value)))
}

fn size(written: Option<&Size>, value: u64) -> Size {
    written.cloned().unwrap_or_else(|| Size::from_bytes(value))
}

/// What a class is assured, in bytes a day.
pub(crate) fn assured(spec: &EntropyClassSpec) -> u64 {
    per_day(spec.rate.as_ref())
}

/// An optional rate in bytes a day; 0 if it is absent.
pub(crate) fn per_day(rate: Option<&Rate>) -> u64 {
    rate.map_or(0, Rate::bytes_per_day)
}
