#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dataplane::{
    ClassSnapshot, Client, Counters, DataPlaneOptions, DataPlaneSnapshot, LimitAt, NodeSnapshot, Overlimits,
    PoolSnapshot, SocketOwner, SourcesSnapshot, VmSnapshot, WaitHistogram, Waiting,
};
use delivery::{NodeConfig, Version, WatchedKind as Kinds};
use htb::{Params, Rate, Stats, Tick};

use telemetry::{Family, MetricKind};

use super::samples::{ScrapeInput, samples};
use super::{Endpoint, FAMILIES, Metrics};
use crate::agent::{Agent, AppliedConfig};
use crate::checkpoint::WriteFailure;
use crate::health::HealthCondition;

const NOW: Tick = Tick(100_000_000_000);

fn node(rate: u64, bytes: u64) -> NodeSnapshot {
    let (rate, ceil) = (Rate(rate * 86_400), Rate(2 * rate * 86_400));
    let params = Params { rate, ceil, burst: 0, cburst: 0, prio: 4, weight: 100 };
    let stats = Stats {
        bytes,
        grants: 0,
        borrowed: 0,
        lent: 0,
        overlimits: 3,
        backlog: 0,
        waiting_since: None,
        tokens: 1,
        ctokens: 1,
        mode: htb::Mode::CanSend,
    };
    NodeSnapshot { params, stats }
}

fn class(name: &str, parent: Option<&str>, rate: u64) -> ClassSnapshot {
    ClassSnapshot {
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
        closed: false,
        vms: 60,
        assured: Rate(10 * 86_400),
        node: node(rate, 640),
        waits: WaitHistogram { counts: [2; 16], sum: 1_500_000_000 },
        namespaces: vec![],
    }
}

/// Waits for so many seconds, if any.
fn vm(id: &str, class: &str, seconds: u64) -> VmSnapshot {
    let since = Tick(NOW.0 - seconds * 1_000_000_000);
    VmSnapshot {
        id: id.to_owned(),
        namespace: "lab".to_owned(),
        class: class.to_owned(),
        client: Client::Qemu,
        socket: None,
        node: node(1, 64),
        owed: seconds,
        connections: 1,
        blocked: 0,
        unsolicited: 0,
        asked: egd::SessionCounters::default(),
        limit_hits: dataplane::LimitHits::default(),
        waiting: (seconds > 0).then_some(Waiting { since, limit: LimitAt::Supply, limit_since: since }),
    }
}

fn snapshot(vms: Vec<VmSnapshot>) -> DataPlaneSnapshot {
    let pool = PoolSnapshot {
        name: "default".to_owned(),
        closed: false,
        default_class: "gold".to_owned(),
        node: node(1_000, 1_280),
        buffer: 4_096,
        overlimits: Overlimits { vm: 5, namespace: 7 },
        classes: vec![class("gold", None, 100), class("silver", Some("gold"), 50), class("free", None, 0)],
        vms,
    };
    DataPlaneSnapshot {
        now: NOW,
        counters: Counters { unsolicited: 64, ..Counters::default() },
        pools: vec![pool],
    }
}

fn scraped(snapshot: &DataPlaneSnapshot) -> String {
    let (sources, config) =
        (SourcesSnapshot { now: NOW, wall: 0, pools: vec![], kernel_seeded: true }, NodeConfig::default());
    let version = Version::from_iter([(Kinds::POOLS, 1_234), (Kinds(99), 7)]);
    let in_force = AppliedConfig { age: Some(2_500_000_000), applied: 3, rolled_back: 1, version };
    let disorder = HealthCondition {
        hangs: 2,
        unwritable: Some(WriteFailure { reason: "DiskFull", message: "no room".to_owned() }),
        health_unwritable: None,
    };
    let sight = ScrapeInput {
        snapshot,
        sources: &sources,
        config: &config,
        in_force: &in_force,
        disorder: &disorder,
    };
    telemetry::encode(FAMILIES, samples(&sight)).unwrap()
}

/// The value of a series.
fn series<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[test]
fn a_scrape_says_what_the_snapshot_says() {
    let text = scraped(&snapshot(vec![vm("a", "gold", 0), vm("b", "gold", 2), vm("c", "silver", 64)]));
    for (name, value) in [
        ("entropool_vms{pool=\"default\",class=\"gold\"}", "60.0"),
        // The configuration knows no pool.
        ("entropool_vms_orphaned{pool=\"default\"}", "3.0"),
        ("entropool_pool_served_bytes_total{pool=\"default\"}", "1280"),
        ("entropool_unsolicited_bytes_total", "64"),
        ("entropool_owed_bytes{pool=\"default\",class=\"gold\"}", "2.0"),
        ("entropool_vms_waiting{pool=\"default\",class=\"gold\",limit=\"supply\"}", "1.0"),
        ("entropool_vms_waiting{pool=\"default\",class=\"gold\",limit=\"rate\"}", "0.0"),
        ("entropool_vms_assured_waiting{pool=\"default\",class=\"silver\"}", "1.0"),
        ("entropool_overlimits_total{pool=\"default\",limit=\"vm\"}", "5"),
        ("entropool_overlimits_total{pool=\"default\",limit=\"class\",class=\"gold\"}", "3"),
        ("entropool_pool_assured_ratio{pool=\"default\"}", "0.1"),
        ("entropool_class_assured_ratio{pool=\"default\",class=\"gold\"}", "0.6"),
        ("entropool_class_rate_bytes_per_second{pool=\"default\",class=\"gold\"}", "100.0"),
        ("entropool_class_ceil_bytes_per_second{pool=\"default\",class=\"gold\"}", "200.0"),
        ("entropool_pool_buffer_bytes{pool=\"default\"}", "4096.0"),
        ("entropool_wait_seconds_count{pool=\"default\",class=\"gold\"}", "32"),
        ("entropool_wait_seconds_sum{pool=\"default\",class=\"gold\"}", "1.5"),
        ("entropool_wait_seconds_bucket{le=\"0.002\",pool=\"default\",class=\"gold\"}", "4"),
        ("entropool_wait_seconds_bucket{le=\"60.0\",pool=\"default\",class=\"gold\"}", "30"),
        ("entropool_wait_seconds_bucket{le=\"+Inf\",pool=\"default\",class=\"gold\"}", "32"),
        ("entropool_config_age_seconds", "2.5"),
        ("entropool_configs_applied_total", "3"),
        ("entropool_config_rollbacks_total", "1"),
        ("entropool_checkpoint_writable", "0.0"),
        ("entropool_worker_hangs_total", "2"),
        ("entropool_config_version{kind=\"pools\"}", "1234.0"),
    ] {
        assert_eq!(series(&text, name), Some(value), "{name} in\n{text}");
    }
    let nothing_assured = "entropool_class_assured_ratio{pool=\"default\",class=\"free\"}";
    assert_eq!(series(&text, nothing_assured), None);
}

#[test]
fn vms_have_series_of_their_own_only_while_they_wait_long_and_fifty_at_most() {
    let vms = (0..90).map(|at| vm(&format!("vm-{at}"), "gold", at)).collect();
    let text = scraped(&snapshot(vms));
    let own: Vec<_> = text.lines().filter(|line| line.starts_with("entropool_vm_waiting_seconds{")).collect();
    assert_eq!(own.len(), 50);
    assert!(own[0].contains("vm=\"vm-89\",limit=\"supply\"} 89.0"), "{}", own[0]);
    assert!(own[49].contains("vm=\"vm-40\""), "those that have waited longest: {}", own[49]);
    let text = scraped(&snapshot(vec![vm("short", "gold", 10), vm("long", "gold", 11)]));
    assert!(!text.contains("\"short\"") && text.contains("\"long\""));
}

/// Every line of the text belongs to a family, with its labels and no others, and every family is there.
fn compare(text: &str) {
    for family in FAMILIES {
        let kind = family.kind.as_str();
        assert!(text.contains(&format!("# TYPE {} {kind}\n", family.name)), "{} in\n{text}", family.name);
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let family =
            FAMILIES.iter().chain(telemetry::PROGRAM).find(|family| names(family).contains(&name.to_owned()));
        let family = family.unwrap_or_else(|| panic!("{name} is in no table"));
        let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
        for label in labels.map(|label| label.split_once('=').unwrap().0).filter(|label| *label != "le") {
            assert!(family.labels.contains(&label), "{label} of {line}");
        }
    }
}

fn names(family: &Family) -> Vec<String> {
    match family.kind {
        MetricKind::Histogram => {
            ["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)).to_vec()
        }
        MetricKind::Counter | MetricKind::Gauge => vec![family.full_name()],
    }
}

#[test]
fn all_that_is_scraped_is_in_the_table_and_the_table_is_all() {
    compare(&scraped(&snapshot(vec![vm("a", "gold", 64)])));
}

fn agent(dir: &Path) -> Arc<Agent> {
    let allowed = source::Permissions::default();
    let (socket_dir, owner) = (dir.to_owned(), SocketOwner::default());
    let options =
        DataPlaneOptions { socket_dir, owner, permissions: allowed, state_file: None, paused: false };
    Arc::new(Agent::start(options, None).unwrap())
}

/// The status and the whole answer.
fn ask(port: std::net::SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(port).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn a_running_agent_answers_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path());
    let port = Endpoint::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = port.address().unwrap();
    let metrics = Metrics::serve(port, Arc::clone(&agent)).unwrap();
    assert_eq!(ask(address, "GET /healthz").0, 200);
    let ready = ask(address, "GET /readyz");
    assert!(ready.0 == 200 && ready.1.contains("no configuration is in effect yet"), "{ready:?}");
    agent.apply(&Arc::new(NodeConfig::default())).unwrap();
    assert_eq!(ask(address, "GET /readyz").0, 200);
    let (status, text) = ask(address, "GET /metrics");
    assert_eq!(status, 200);
    assert!(text.contains("content-type: application/openmetrics-text; version=1.0.0"), "{text}");
    compare(text.split_once("\r\n\r\n").unwrap().1);
    assert_eq!((ask(address, "GET /").0, ask(address, "POST /metrics").0), (404, 405));
    agent.drain(Duration::ZERO);
    let (status, text) = ask(address, "GET /healthz");
    assert_eq!((status, text.contains("the data plane has stopped")), (503, true));
    metrics.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = Endpoint::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = Endpoint::bind(taken.address().unwrap()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot serve metrics at {}", taken.address().unwrap())));
}

#[test]
fn callers_that_say_nothing_do_not_keep_others_out_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let port = Endpoint::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = port.address().unwrap();
    let metrics = Metrics::serve(port, agent(dir.path())).unwrap();
    let silent: Vec<_> = (0..15).map(|_| TcpStream::connect(address).unwrap()).collect();
    let answers: BTreeMap<u16, usize> =
        (0..20).map(|_| ask(address, "GET /healthz").0).fold(BTreeMap::new(), |mut all, status| {
            *all.entry(status).or_default() += 1;
            all
        });
    assert_eq!(answers, [(200, 20)].into());
    drop(silent);
    metrics.stop();
}
