//! The sources of a pool can provide what the pool promises.

use std::collections::BTreeSet;
use std::path::Path;

use api::{CpuInstruction, EntropyPoolSpec, Output, Reason, Source, SourceKind};

use super::violation::Violation;
use crate::budget::rounded;
use crate::resolved_tree::ResolvedPool;
use crate::supply::{Slowest, Yield, counts, is_credited};

/// The rules that involve the list of sources alone.
pub(super) fn of_spec(spec: &EntropyPoolSpec) -> Vec<Violation> {
    let mut found: Vec<_> = repeated(spec).chain(duplicates(spec)).collect();
    found.extend(too_few(spec));
    if let Some(output) = output_without_source(spec) {
        let message = format!(
            "{output} needs a noise source, that is one with minEntropyPerByte, and this pool has none (the kernel's \
             generator is not a noise source): add one, or write Stretched"
        );
        found.push(Violation::new(Reason::NoNoiseSource, "spec.output", message));
    }
    found
}

/// As many sources as must be healthy can be.
fn too_few(spec: &EntropyPoolSpec) -> Option<Violation> {
    let (wanted, all) = (usize::from(spec.min_healthy_sources), spec.sources.len());
    // That there is none is reported on the output.
    let counted = Some(spec.sources.iter().filter(|source| counts(spec.output, source)).count())
        .filter(|count| *count > 0);
    let available = counted.unwrap_or(all);
    if wanted <= available {
        return None;
    }
    let message = if available < all {
        format!(
            "{wanted} healthy sources are required, and {:?} may rest on only {available} of the pool's {all}, those with \
             minEntropyPerByte: write at most {available}, or add sources with it",
            spec.output
        )
    } else {
        format!(
            "{wanted} healthy sources are required, and the pool has only {all}: write at most {all}, or add sources"
        )
    };
    Some(Violation::new(Reason::TooFewSources, "spec.minHealthySources", message))
}

/// The pool's rate does not exceed what the sources yield on any node.
pub(super) fn rate(pool: &ResolvedPool<'_>) -> Option<Violation> {
    let rate = pool.layout.spec.rate.as_ref()?;
    let Yield { bytes: supply, slowest } = pool.layout.min_yield()?;
    let excess = rate.bytes_per_day().checked_sub(supply).filter(|excess| *excess > 0)?;
    let how = slowest.map(|Slowest { source, samples }| {
        let source = &pool.layout.spec.sources[source].name;
        format!(" after conditioning (each 32 bytes take {samples} of source {source})")
    });
    let message = format!(
        "{rate} is more than the {supply} that the sources yield{scope}{how}: write at most {supply}, or omit rate",
        supply = rounded(supply),
        how = how.unwrap_or_default(),
        scope = if pool.layout.nodes.len() > 1 { " on each node" } else { "" },
    );
    Some(Violation::new(Reason::RateOverSources, "spec.rate", message).by(excess, ""))
}

/// Every selected node has enough sources for the pool's output.
pub(super) fn nodes_without_source(pool: &ResolvedPool<'_>) -> Vec<Violation> {
    let Some(first) = pool.layout.nodes_without_source.first() else { return Vec::new() };
    let count = pool.layout.nodes_without_source.len();
    let wanted = pool.layout.spec.min_healthy_sources;
    let message = format!(
        "{count} of the selected nodes ({first}{more}) {have} {too_few} for {output:?} output and {do_} not serve the \
         pool: add {added} for them, or narrow nodeSelector",
        too_few = match wanted {
            0 | 1 => "no source".to_owned(),
            _ => format!("fewer than {wanted} sources"),
        },
        added = if wanted > 1 { "sources" } else { "a source" },
        more = if count > 1 { ", …" } else { "" },
        have = if count > 1 { "have" } else { "has" },
        do_ = if count > 1 { "do" } else { "does" },
        output = pool.layout.spec.output,
    );
    vec![Violation::new(Reason::NoNoiseSource, "spec.nodeSelector", message)]
}

fn repeated(spec: &EntropyPoolSpec) -> impl Iterator<Item = Violation> {
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<&str> =
        spec.sources.iter().map(|source| &*source.name).filter(|name| !seen.insert(*name)).collect();
    repeated.into_iter().map(|name| {
        let message = format!("two sources have the name {name}: give each its own");
        Violation::new(Reason::InvalidSpec, format!("spec.sources[{name}].name"), message)
    })
}

/// Two sources that are one, which would count twice: what one gives, the other does not, and they fail together. The same
/// source by different names is found only by the agent that opens it.
fn duplicates(spec: &EntropyPoolSpec) -> impl Iterator<Item = Violation> {
    let first_of = |at: usize| {
        let source = &spec.sources[at];
        spec.sources[..at].iter().find(|first| is_same(first, source) && may_meet(first, source))
    };
    let pairs = (0..spec.sources.len()).filter_map(move |at| Some((first_of(at)?, &spec.sources[at])));
    pairs.filter(|(first, second)| first.name != second.name).map(|(first, second)| {
        let message = format!(
            "sources {} and {} are both {}, and one source does not count twice: remove one, or give them node selectors \
             that no node matches both of",
            first.name,
            second.name,
            describe(second.kind()),
        );
        Violation::new(Reason::InvalidSpec, format!("spec.sources[{}]", second.name), message)
            .by(0, first.name.clone())
    })
}

fn is_same(one: &Source, other: &Source) -> bool {
    let path = |text| Path::new(text).components();
    match (one.kind(), other.kind()) {
        (Some(SourceKind::Device(one)), Some(SourceKind::Device(other)))
        | (Some(SourceKind::EgdUnix(one)), Some(SourceKind::EgdUnix(other)))
        | (Some(SourceKind::File(one)), Some(SourceKind::File(other))) => path(one).eq(path(other)),
        (Some(SourceKind::EgdTcp(one)), Some(SourceKind::EgdTcp(other))) => one.eq_ignore_ascii_case(other),
        (one, other) => one.is_some() && one == other,
    }
}

/// Whether some node may use both: no label of their selectors has two values.
fn may_meet(one: &Source, other: &Source) -> bool {
    let other = &other.node_selector;
    one.node_selector.iter().all(|(key, value)| other.get(key).is_none_or(|other| other == value))
}

fn describe(kind: Option<SourceKind<'_>>) -> String {
    match kind {
        Some(SourceKind::Kernel) => "the kernel's generator".to_owned(),
        Some(SourceKind::Cpu(CpuInstruction::Rdseed)) => "RDSEED".to_owned(),
        Some(SourceKind::Device(path)) => format!("the device {path}"),
        Some(SourceKind::EgdUnix(name) | SourceKind::EgdTcp(name)) => format!("the EGD server {name}"),
        Some(SourceKind::File(path)) => format!("the file {path}"),
        None => String::new(),
    }
}

/// The pool's output, if no source of the pool can provide it.
fn output_without_source(spec: &EntropyPoolSpec) -> Option<&'static str> {
    let output = match spec.output {
        Output::Stretched => return None,
        Output::FullEntropy => "FullEntropy",
        Output::Raw => "Raw",
    };
    (!spec.sources.iter().any(is_credited)).then_some(output)
}
