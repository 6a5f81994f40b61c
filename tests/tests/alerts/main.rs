//! The alerts that are shipped, judged by Prometheus' own tool, and what they rest on.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod dashboards;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use entropool_tests::host::vacant_port;
use entropool_tests::{Daemon, Host, binary, scrape};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn monitoring() -> PathBuf {
    repository().join("deploy/monitoring")
}

fn read(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Every alert there is.
fn alerts() -> Vec<Value> {
    let rules = read(&monitoring().join("rules.yaml"));
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn text<'a>(alert: &'a Value, field: &str) -> &'a str {
    alert.pointer(field).and_then(Value::as_str).unwrap_or_else(|| panic!("{alert} has no {field}"))
}

fn promtool(arguments: &[&str]) {
    promtool_in(&monitoring(), arguments);
}

fn promtool_in(directory: &Path, arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(directory).output();
    let output = output.expect("promtool is Debian's package prometheus: `make test` installs it");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_fires_and_ends_as_its_test_says() {
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["test", "rules", "tests.yaml"]);
}

#[test]
fn promtool_finds_no_fault_in_what_a_daemon_tells() {
    let pool = "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: default}\n\
                spec: {rate: 1Ki/s, sources: [{name: kernel, kernel: {}}]}\n";
    let host = Host::new(binary::entropool().unwrap(), pool).unwrap();
    let metrics = vacant_port().unwrap().to_string();
    let _daemon = Daemon::start_with(host, &["--vm", "a=default", "--metrics", &metrics]).unwrap();
    let page = scrape::page(metrics.parse().unwrap(), "text/plain").unwrap();
    let (head, text) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let judged = promtool.wait_with_output().unwrap();
    let faults = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && faults.is_empty(), "{faults}");
}

#[test]
fn each_alert_has_a_test_in_which_it_fires() {
    let tests = read(&monitoring().join("tests.yaml"));
    let cases = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    let fired: Vec<_> =
        cases.filter(|case| case["exp_alerts"].as_array().is_some_and(|all| !all.is_empty())).collect();
    for alert in alerts() {
        let name = text(&alert, "/alert");
        assert!(fired.iter().any(|case| case["alertname"] == *name), "{name} fires in no test");
    }
}

#[test]
fn prometheus_operator_gets_the_same_alerts() {
    let object = read(&monitoring().join("alerts.yaml"));
    assert_eq!(object["kind"], "PrometheusRule");
    assert_eq!(object["spec"]["groups"], read(&monitoring().join("rules.yaml"))["groups"]);
}

#[test]
fn each_alert_has_a_page_that_names_it_and_each_page_an_alert() {
    let alerts = alerts();
    for alert in &alerts {
        let page = text(alert, "/annotations/runbook_url");
        let page =
            fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(page.contains(&format!("`{}`", text(alert, "/alert"))), "{page}");
        for part in ["## What it means", "## Who feels it", "## Where to look", "## What to do"] {
            assert!(page.contains(part), "no {part:?} in\n{page}");
        }
    }
    assert_eq!(fs::read_dir(repository().join("docs/runbooks")).unwrap().count(), alerts.len());
}

#[test]
fn alerts_rest_on_metrics_that_there_are() {
    let pages = ["docs/metrics.md", "docs/controller-metrics.md"].map(|page| repository().join(page));
    let pages = pages.map(|page| fs::read_to_string(page).unwrap()).concat();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for alert in alerts() {
        let words = text(&alert, "/expr").split(|letter| !is_name(letter));
        let mut metrics = words.filter(|word| word.starts_with("entropool_")).peekable();
        assert!(metrics.peek().is_some(), "{alert}");
        metrics
            .for_each(|metric| assert!(pages.contains(&format!("| `{metric}` |")), "there is no {metric}"));
    }
}
