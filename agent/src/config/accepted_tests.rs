//! What `plan` accepts, an agent serves: the rules for pools and classes are in the schema and in `plan`, and nowhere else.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dataplane::{DataPlaneOptions, SocketOwner};
use delivery::{Nack, NodeConfig, PoolRefusal};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::pool_configs;
use crate::agent::Agent;
use crate::config::manifests::{ManifestSet, ReadOutcome};
use crate::config::pool_by_pool::PoolByPool;
use crate::controller_client::attempt;

/// One for all cases of a test: a configuration replaces the one before.
fn agent() -> (TempDir, Agent) {
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
}

/// Some of the fields, each with one of its values: `tier: 1, capacity: {perNode: 10/s}`.
fn fields(of: &[(&'static str, &'static [&'static str])]) -> impl Strategy<Value = String> + use<> {
    let field = |(name, values): &(&'static str, &'static [&'static str])| {
        let name = *name;
        prop::option::of(select(values.to_vec())).prop_map(move |value| Some(format!("{name}: {}", value?)))
    };
    let fields: Vec<_> = of.iter().map(field).collect();
    fields.prop_map(|fields| fields.into_iter().flatten().map(|field| ", ".to_owned() + &field).collect())
}

const RATES: &[&str] = &["1/d", "1/h", "64/min", "10/s", "16Ki/s", "1M/s", "10G/s"];
const SIZES: &[&str] = &["'1'", "'255'", "1Ki", "64k", "4Gi"];
const COUNTS: &[&str] = &["1", "2", "40", "100000"];
const NAMESPACES: &[&str] = &[
    "{from: All}",
    "{from: None}",
    "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}",
];

fn source() -> impl Strategy<Value = String> {
    // Of each there is but one in a pool.
    let kind = select(vec![
        "kernel: {}",
        "cpu: {instruction: RDSEED}",
        "device: {path: /dev/trng@}",
        "device: {path: '/dev/serial/by-id/a b@', creditNested: true}",
        "egd: {tcp: 'rack@:708'}",
        "egd: {tcp: '[fd00::@]:65535'}",
        "egd: {unix: /run/egd@}",
        "egd: {unix: /run/egd-@, creditNested: true}",
        "file: {path: /noise@}",
    ]);
    let h = prop_oneof![
        Just(None),
        (1u16..=8000).prop_map(Some),
        select(vec![1, 156, 6000, 8000]).prop_map(Some)
    ];
    let more = fields(&[
        ("tier", &["0", "1", "15"]),
        ("capacity", &["{perNode: 1/d}", "{perNode: 10G/s}", "{shared: 1/d}", "{shared: 1M/s}"]),
        ("healthTests", &["[FIPS1402]", "[SP80090B, FIPS1402]"]),
        ("nodeSelector", &["{kubernetes.io/hostname: host}", "{kubernetes.io/hostname: host}", "{rack: a}"]),
        ("assessment", &["'ESV E123'"]),
    ]);
    (kind, h, more).prop_map(|(kind, h, more)| {
        // The kernel's generator has none, says the schema.
        let h = h.filter(|_| !kind.starts_with("kernel"));
        let h =
            h.map(|h| format!(", minEntropyPerByte: '{}'", api::MinEntropy::from_thousandths(h).unwrap()));
        format!("{kind}{}{more}", h.unwrap_or_default())
    })
}

fn pool(name: &'static str, default_class: &'static [&'static str]) -> impl Strategy<Value = String> {
    let sources = prop_oneof![
        prop::collection::vec(source(), 1..4),
        // Where no promise is made, most are accepted.
        prop::collection::vec(source(), 1..=16)
    ];
    let figures = |figures: &Figures| fields(&[("rate", figures.large), ("ceil", figures.ceils)]);
    let figures = prop_oneof![3 => figures(&LIKELY), 1 => figures(&WILD)];
    let more = fields(&[
        ("output", &["Stretched", "FullEntropy", "FullEntropy", "Raw", "Raw"]),
        ("minHealthySources", &["1", "1", "1", "2", "3", "16"]),
        ("onSourceFailure", &["Hold", "Degrade"]),
        ("burst", SIZES),
        ("cburst", SIZES),
        ("nodeSelector", &["{kubernetes.io/hostname: host}", "{kubernetes.io/hostname: host}", "{rack: a}"]),
        ("allowedNamespaces", NAMESPACES),
    ]);
    let default_class = fields(&[("defaultClass", default_class)]);
    (sources, default_class, figures, more).prop_map(move |(sources, default_class, figures, more)| {
        let mut once = BTreeSet::new();
        let is_new = |source: &&String| source.contains('@') || once.insert(source[..4].to_owned());
        let sources: Vec<_> = sources.iter().filter(is_new).collect();
        let named = |(at, source): (usize, &&String)| {
            format!("{{name: s{at}, {}}}", source.replace('@', &at.to_string()))
        };
        let sources: Vec<_> = sources.iter().enumerate().map(named).collect();
        let spec = format!("sources: [{}]{default_class}{figures}{more}", sources.join(", "));
        object("EntropyPool", name, &spec)
    })
}

/// Rates and numbers from which most specs are accepted, or any.
struct Figures {
    large: &'static [&'static str],
    rates: &'static [&'static str],
    small: &'static [&'static str],
    ceils: &'static [&'static str],
    counts: &'static [&'static str],
}

const LIKELY: Figures = Figures {
    large: &["1M/s", "10G/s"],
    rates: &["64/min", "10/s"],
    small: &["1/d", "1/h"],
    ceils: &["10G/s"],
    counts: &["1", "2", "40"],
};
const WILD: Figures = Figures { large: RATES, rates: RATES, small: RATES, ceils: RATES, counts: COUNTS };

/// A class stays in its pool, says the schema.
fn class(name: &'static str, pool: &'static str) -> impl Strategy<Value = String> {
    let figures = |figures: &Figures| {
        let Figures { rates, small, ceils, counts, .. } = *figures;
        let connections = &["1", "256", "1024"][..];
        let per_vm = fields(&[
            ("rate", small),
            ("ceil", ceils),
            ("burst", SIZES),
            ("cburst", SIZES),
            ("maxConnections", connections),
        ]);
        let per_namespace = fields(&[("rate", small), ("ceil", ceils), ("maxVMs", counts)]);
        let own = fields(&[("ceil", ceils), ("maxVMs", counts)]);
        // A member's rate is part of the class's, says the schema.
        let rate = select(rates.to_vec()).prop_map(|rate| format!(", rate: {rate}"));
        (per_vm, per_namespace, own, rate)
    };
    let figures = prop_oneof![3 => figures(&LIKELY), 1 => figures(&WILD)];
    let more = fields(&[
        ("burst", SIZES),
        ("cburst", SIZES),
        ("prio", &["0", "4", "7"]),
        ("weight", &["1", "100", "10000"]),
        ("admission", &["Strict", "Proportional"]),
        ("fairness", &["Namespace", "VM"]),
        ("allowDegraded", &["true", "false"]),
        ("allowedNamespaces", NAMESPACES),
    ]);
    let parent = prop::option::weighted(0.3, select(vec!["a", "b", "c", "d"]));
    let map = |fields: &str| format!("{{{}}}", fields.trim_start_matches(", "));
    (figures, parent, more).prop_map(move |((per_vm, per_namespace, own, rate), parent, more)| {
        let parent = parent.map(|parent| format!(", parent: {parent}")).unwrap_or_default();
        let members = format!("perVM: {}, perNamespace: {}", map(&per_vm), map(&per_namespace));
        object("EntropyClass", name, &format!("pool: {pool}, {members}{own}{rate}{parent}{more}"))
    })
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n"
    )
}

/// Reads manifests as a daemon does, and serves what was accepted, as it comes from a controller.
fn serve(
    agent: &Agent,
    manifests: &mut ManifestSet,
    text: &str,
) -> Result<(ReadOutcome, usize), TestCaseError> {
    let outcome = manifests.read(api::manifest::parse("test.yaml", text));
    let config = manifests.config();
    let delivered = codec::decode(&codec::encode(config));
    prop_assert!(delivered.as_ref() == Ok(&**config), "{delivered:?}: {text}");
    let pools = pool_configs(config).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    let applied = agent.apply(&Arc::clone(config));
    prop_assert!(applied.as_ref().is_ok_and(Vec::is_empty), "{applied:?}: {text}");
    prop_assert_eq!(agent.config(), Arc::clone(config));
    Ok((outcome, pools.len()))
}

type Objects = ((String, String), Vec<String>);

fn objects() -> impl Strategy<Value = Objects> {
    let classes = (class("a", "p"), class("b", "p"), class("c", "p"), class("d", "q"));
    let pools = (pool("p", &["a", "c", "nobody"]), pool("q", &["d", "d", "a"]));
    (pools, classes.prop_map(|(a, b, c, d)| vec![a, b, c, d]))
}

/// How many pools and classes were accepted, of 512 and 1,024: if these are few, nothing is tried.
static SERVED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

#[test]
fn what_plan_accepts_is_served() {
    const CASES: u32 = 128;
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) };
    let (mut runner, (_dir, agent)) = (TestRunner::new(config), agent());
    // A first configuration, and an edit of it: what is accepted before stays beside what is new.
    let edits = prop::collection::vec(objects(), 2);
    let tried = runner.run(&edits, |edits| {
        let mut manifests = ManifestSet::new(["shop".to_owned()]);
        for ((p, q), classes) in edits {
            // What breaks the schema refuses a whole file, and is left out.
            let objects = [vec![p, q], classes].concat();
            let valid = objects.into_iter().filter(|text| api::manifest::parse("", text).problems.is_empty());
            let text = object("EntropyPool", "always", "") + &valid.collect::<String>();
            let (_, served) = serve(&agent, &mut manifests, &text)?;
            SERVED[0].fetch_add(served - 1, Ordering::Relaxed);
            let pools = &manifests.config().pools;
            let classes = pools.iter().flat_map(|pool| &pool.classes);
            let named = classes.filter(|class| class.name != delivery::ClassConfig::IMPLICIT).count();
            SERVED[1].fetch_add(named, Ordering::Relaxed);
        }
        Ok(())
    });
    tried.unwrap();
    let served = SERVED.each_ref().map(|count| count.load(Ordering::Relaxed));
    let least = usize::try_from(CASES).unwrap() * 4 / 10;
    assert!(served.iter().all(|served| *served > least), "{served:?}, of {CASES}");
}

#[test]
fn raw_is_accepted_with_any_min_entropy_and_a_pool_that_can_never_serve_is_not() {
    let (_dir, agent) = agent();
    let trng = "{name: trng, device: {path: /dev/hwrng}, minEntropyPerByte: '6'}";
    let raw = object("EntropyPool", "p", &format!("output: Raw, sources: [{trng}]"));
    let (outcome, served) = serve(&agent, &mut ManifestSet::new([]), &raw).unwrap();
    assert_eq!((outcome.refused.len(), served), (0, 1), "{:?}", outcome.refused);
    let never = format!(
        "output: FullEntropy, minHealthySources: 2, sources: [{trng}, {{name: kernel, kernel: {{}}}}]"
    );
    let (outcome, served) =
        serve(&agent, &mut ManifestSet::new([]), &object("EntropyPool", "p", &never)).unwrap();
    assert_eq!(served, 0);
    assert_eq!(
        outcome.refused,
        [
            "test.yaml:1: EntropyPool p: spec.minHealthySources: 2 healthy sources are required, and FullEntropy may rest on \
             only 1 of the pool's 2, those with minEntropyPerByte: write at most 1, or add sources with it"
        ]
    );
}

fn config(text: &str) -> NodeConfig {
    let mut manifests = ManifestSet::new([]);
    let outcome = manifests.read(api::manifest::parse("test.yaml", text));
    assert_eq!(outcome.refused, Vec::<String>::new());
    NodeConfig::clone(manifests.config())
}

#[test]
fn a_pool_that_cannot_be_applied_stays_as_it_was_and_stops_no_other() {
    let (_dir, agent) = agent();
    let pools = |rate: &str| config(&["p", "q"].map(|name| object("EntropyPool", name, rate)).concat());
    let names = |refused: &[PoolRefusal]| refused.iter().map(|it| it.pool.clone()).collect::<Vec<_>>();
    let before = pools("rate: 1Ki/s");
    assert_eq!(agent.apply(&Arc::new(before.clone())).unwrap(), []);
    // What `plan` refuses, as another version's may send it: no noise source. And a pool that is new.
    let mut edit = pools("rate: 2Ki/s");
    edit.pools[1].output = delivery::Output::FullEntropy;
    edit.pools.push(delivery::PoolConfig { name: "r".to_owned(), ..edit.pools[1].clone() });
    let refused = agent.apply(&Arc::new(edit.clone())).unwrap();
    assert_eq!(names(&refused), ["q", "r"]);
    let Nack { reason, message } = &refused[0].refusal;
    assert_eq!(reason, "NoNoiseSource");
    assert_eq!(
        message,
        "cannot set up the supply of pool q: pool q promises more than Stretched and has no noise source with \
         minEntropyPerByte"
    );
    let effective = agent.config();
    assert_eq!(effective.pools, [edit.pools[0].clone(), before.pools[1].clone()]);
    for pool in ["p", "q"] {
        let snapshot = agent.snapshot().unwrap();
        assert!(snapshot.pools.iter().any(|known| known.name == pool), "{pool} is served");
    }
    // A restart knows only what was in effect, and may not be able to serve that either.
    let nothing = NodeConfig::default();
    let refused = agent.apply_pools(PoolByPool::new(edit.clone(), &nothing)).unwrap();
    assert_eq!((names(&refused), agent.config().pools.len()), (vec!["q".to_owned(), "r".to_owned()], 1));
    edit.pools[1].output = delivery::Output::Stretched;
    edit.pools.pop();
    assert_eq!(agent.apply(&Arc::new(edit.clone())).unwrap(), []);
    assert_eq!(*agent.config(), edit);
}

#[test]
fn a_pool_that_is_not_understood_is_refused_alone_too() {
    let (_dir, agent) = agent();
    let mut edit = config(&["p", "q"].map(|name| object("EntropyPool", name, "rate: 1Ki/s")).concat());
    agent.apply(&Arc::new(edit.clone())).unwrap();
    edit.pools[0].classes[0].prio = 9;
    let decoded = codec::decode_pools(&codec::encode(&edit)).unwrap();
    let last_good = agent.config();
    let refused = agent.apply_pools(attempt(decoded, &last_good)).unwrap();
    let [PoolRefusal { pool, refusal }] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((&**pool, &*refusal.reason), ("p", "ConfigNotUnderstood"));
    assert!(refusal.message.contains("prio is 9: it must be 0 to 7"), "{}", refusal.message);
    assert_eq!(agent.config(), last_good);
}
