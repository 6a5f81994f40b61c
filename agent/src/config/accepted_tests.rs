//! What `plan` accepts, an agent serves: the rules for pools and classes are in the schema and in `plan`, and nowhere else.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};

use dataplane::{DataPlaneOptions, SocketOwner, SupplySpec};
use proptest::prelude::*;
use proptest::sample::select;
use source::Sources;
use tempfile::TempDir;

use super::pool_configs;
use crate::agent::Agent;
use crate::config::manifests::{ManifestSet, ReadOutcome};

/// One for all cases: a configuration replaces the one before.
static AGENT: LazyLock<(TempDir, Agent)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let options = DataPlaneOptions {
        socket_dir: dir.path().to_owned(),
        owner: SocketOwner::default(),
        // No source may be opened, which is no reason to refuse a pool.
        permissions: source::Permissions::default(),
        state_file: None,
        paused: false,
    };
    let agent = Agent::start(options, None).unwrap();
    (dir, agent)
});

fn source() -> impl Strategy<Value = String> {
    let kind = select(vec![
        "kernel: {}",
        "cpu: {instruction: RDSEED}",
        "device: {path: /dev/trng}",
        "egd: {tcp: 'rack:708'}",
        "egd: {unix: /run/egd}",
        "file: {path: /noise}",
    ]);
    let h = prop_oneof![
        Just(None),
        (1u16..=8000).prop_map(Some),
        select(vec![1, 156, 6000, 8000]).prop_map(Some)
    ];
    let more = prop::collection::vec(
        select(vec![
            "tier: 1",
            "capacity: {perNode: 10/s}",
            "capacity: {shared: 1M/s}",
            "healthTests: [FIPS1402]",
            "nodeSelector: {rack: a}",
        ]),
        0..3,
    );
    (kind, h, more).prop_map(|(kind, h, mut more)| {
        more.dedup_by_key(|field| field.split(':').next().map(str::to_owned));
        let h =
            h.map(|h| format!(", minEntropyPerByte: '{}'", api::MinEntropy::from_thousandths(h).unwrap()));
        format!(
            "{kind}{}{}",
            h.unwrap_or_default(),
            more.iter().fold(String::new(), |all, it| all + ", " + it)
        )
    })
}

fn pool(name: &'static str) -> impl Strategy<Value = String> {
    let output = select(vec!["Stretched", "FullEntropy", "FullEntropy", "Raw"]);
    let more =
        select(vec!["", "", ", onSourceFailure: Degrade", ", rate: 100/s", ", rate: 1Ki/s, ceil: 2Ki/s"]);
    (output, 1..4u8, prop::collection::vec(source(), 1..4), more).prop_map(
        move |(output, min, sources, more)| {
            let sources: Vec<_> =
                sources.iter().enumerate().map(|(at, source)| format!("{{name: s{at}, {source}}}")).collect();
            object(
                "EntropyPool",
                name,
                &format!(
                    "output: {output}, minHealthySources: {min}, sources: [{}]{more}",
                    sources.join(", ")
                ),
            )
        },
    )
}

fn class(name: &'static str, parent: &'static str) -> impl Strategy<Value = String> {
    let rate = select(vec!["", ", rate: 1/s", ", rate: 10/s", ", rate: 1/h, ceil: 2/s, burst: 1Ki"]);
    let vm = select(vec![
        "",
        ", perVM: {rate: 1/h}",
        ", perVM: {ceil: 1/s}, maxVMs: 3",
        ", perNamespace: {maxVMs: 0}",
    ]);
    let more = select(vec!["", ", allowDegraded: true", ", prio: 0, weight: 10000", ", fairness: VM"]);
    (rate, vm, more).prop_map(move |(rate, vm, more)| {
        object("EntropyClass", name, &format!("pool: p{parent}{rate}{vm}{more}"))
    })
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n"
    )
}

/// Reads manifests as a daemon does, and serves what was accepted.
fn serve(text: &str) -> Result<(ReadOutcome, usize), TestCaseError> {
    let mut manifests = ManifestSet::new([]);
    let outcome = manifests.read(api::manifest::parse("test.yaml", text));
    let config = manifests.config();
    let pools = pool_configs(config).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    for pool in &pools {
        if let SupplySpec::Sources { spec, .. } = &pool.supply {
            prop_assert!(Sources::check(spec).is_ok(), "{:?}: {text}", Sources::check(spec));
        }
    }
    let applied = AGENT.1.apply(&Arc::clone(config));
    prop_assert!(applied.is_ok(), "{:?}: {text}", applied.err());
    Ok((outcome, pools.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_plan_accepts_is_served(
        pools in (pool("p"), pool("q")),
        classes in (class("a", ""), class("b", ", parent: a"), class("c", ", parent: b")),
    ) {
        let (_, served) = serve(&[pools.0, pools.1, classes.0, classes.1, classes.2].concat())?;
        prop_assert!(served <= 2);
    }
}

#[test]
fn raw_is_accepted_with_any_min_entropy_and_a_pool_that_can_never_serve_is_not() {
    let trng = "{name: trng, device: {path: /dev/hwrng}, minEntropyPerByte: '6'}";
    let raw = object("EntropyPool", "p", &format!("output: Raw, sources: [{trng}]"));
    let (outcome, served) = serve(&raw).unwrap();
    assert_eq!((outcome.refused.len(), served), (0, 1), "{:?}", outcome.refused);
    let never = format!(
        "output: FullEntropy, minHealthySources: 2, sources: [{trng}, {{name: kernel, kernel: {{}}}}]"
    );
    let (outcome, served) = serve(&object("EntropyPool", "p", &never)).unwrap();
    assert_eq!(served, 0);
    assert_eq!(
        outcome.refused,
        [
            "test.yaml:1: EntropyPool p: spec.minHealthySources: 2 healthy sources are required, and FullEntropy may rest on \
             only 1 of the pool's 2, those with minEntropyPerByte: write at most 1, or add sources with it"
        ]
    );
}
