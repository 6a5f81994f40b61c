//! The dashboards: each query rests on metrics that there are, and finds something in what a cluster tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::{monitoring, promtool_in, repository};

fn dashboards() -> BTreeMap<String, Value> {
    let files = fs::read_dir(monitoring().join("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    };
    files.map(read).collect()
}

/// All queries of a dashboard, of its panels and of its variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let (series, label) = query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap();
        queries.push(format!("count by ({}) ({series})", label.trim_end_matches(')')));
    }
    // What Grafana fills in.
    let filled = |query: String| {
        ["$pool", "$class", "$node", "$source"]
            .iter()
            .fold(query.replace("$__rate_interval", "5m"), |query, name| query.replace(name, ".*"))
    };
    queries.into_iter().map(filled).collect()
}

/// A row of the tables in docs/.
struct Family {
    name: String,
    kind: String,
    labels: Vec<String>,
    of_agents: bool,
}

fn families() -> Vec<Family> {
    let mut families = Vec::new();
    for (page, of_agents) in [("docs/metrics.md", true), ("docs/controller-metrics.md", false)] {
        let text = fs::read_to_string(repository().join(page)).unwrap();
        for row in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let unquoted = |label: &str| Some(label.strip_prefix('`')?.strip_suffix('`')?.to_owned());
            families.push(Family {
                name: unquoted(cells[1]).unwrap(),
                kind: cells[2].to_owned(),
                labels: cells[3].split(", ").filter_map(unquoted).collect(),
                of_agents,
            });
        }
    }
    families
}

/// Values of labels that queries name.
fn values(label: &str) -> &'static [&'static str] {
    match label {
        "state" => &["programmed", "behind", "away", "promised", "held", "degraded"],
        "limit" => &["supply", "ceil"],
        "verdict" => &["changed", "UnknownPool"],
        "test" => &["lost", "repetition_count"],
        _ => &["a"],
    }
}

/// What a cluster of one agent and one controller tells within an hour, as promtool reads it.
fn told() -> Vec<Value> {
    let mut told = Vec::new();
    for family in families() {
        let job = if family.of_agents { "entropool-agent" } else { "entropool-controller" };
        let fixed = format!("job=\"{job}\",instance=\"{job}:1\",node=\"node-1\"");
        let series = family.labels.iter().fold(vec![fixed], |series, label| {
            let with = |one: &String| {
                values(label).iter().map(|value| format!("{one},{label}=\"{value}\"")).collect::<Vec<_>>()
            };
            series.iter().flat_map(with).collect()
        });
        for labels in series {
            let mut add = |name: String, labels: String, values: &str| {
                told.push(json!({"series": format!("{name}{{{labels}}}"), "values": values}));
            };
            let name = &family.name;
            match family.kind.as_str() {
                "counter" => add(name.clone(), labels, "0+60x60"),
                "histogram" => {
                    for (le, growth) in [("0.1", "0+30x60"), ("+Inf", "0+60x60")] {
                        add(format!("{name}_bucket"), format!("{labels},le=\"{le}\""), growth);
                    }
                }
                _ if name.ends_with("source_up") => add(name.clone(), labels, "0x60"),
                _ => add(name.clone(), labels, "1x60"),
            }
        }
    }
    told
}

#[test]
fn each_query_finds_something_in_what_a_cluster_tells() {
    let dashboards = dashboards();
    let exprs: BTreeSet<_> = dashboards.values().flat_map(queries).collect();
    let one = json!([{"labels": "{}", "value": 1}]);
    let tests: Vec<_> = exprs
        .iter()
        .map(
            |expr| json!({"expr": format!("count({expr}) > bool 0"), "eval_time": "30m", "exp_samples": one}),
        )
        .collect();
    let all = json!({
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": told(), "promql_expr_test": tests}],
    });
    let directory = tempfile::tempdir().unwrap();
    // JSON is YAML.
    fs::write(directory.path().join("queries.yaml"), all.to_string()).unwrap();
    promtool_in(directory.path(), &["test", "rules", "queries.yaml"]);
    assert!(exprs.len() > 50, "{exprs:?}");
}

#[test]
fn each_query_and_alert_rests_on_metrics_that_there_are() {
    let families = families();
    let known = |word: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| word.strip_suffix(part));
        let is = |name: &str, kind: Option<&str>| {
            families.iter().any(|it| it.name == name && kind.is_none_or(|kind| it.kind == kind))
        };
        is(word, None) || base.is_some_and(|base| is(base, Some("histogram")))
    };
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for (name, dashboard) in dashboards() {
        for query in queries(&dashboard) {
            // Labels' values are in quotes.
            let words = query.split('"').step_by(2).flat_map(|part| part.split(|letter| !is_name(letter)));
            let metrics = words.filter(|word| word.starts_with("entropool_") || word.starts_with("process_"));
            let metrics: Vec<_> = metrics.collect();
            assert!(!metrics.is_empty(), "{name}: {query}");
            for metric in metrics {
                assert!(known(metric), "{name}: there is no {metric}");
            }
        }
    }
}

/// What somebody sees who meets a dashboard for the first time.
#[test]
fn each_panel_says_what_it_shows() {
    let dashboards = dashboards();
    assert_eq!(dashboards.keys().collect::<Vec<_>>(), ["fleet", "node", "pool", "sources"]);
    for (name, dashboard) in &dashboards {
        assert_eq!(dashboard["uid"], format!("entropool-{name}"));
        assert!(dashboard["description"].as_str().unwrap().ends_with('.'), "{name}");
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(panel["description"].as_str().unwrap().len() > 5, "{name}: {}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {}", panel["title"]);
        }
    }
}

/// Debian's promtool does not know how pods are found, so it cannot judge this file.
#[test]
fn a_prometheus_without_an_operator_has_the_jobs_that_alerts_and_dashboards_know() {
    let config = super::read(&monitoring().join("scrape.yaml"));
    let jobs: Vec<_> = config["scrape_configs"].as_array().unwrap().iter().collect();
    let names: Vec<_> = jobs.iter().map(|job| job["job_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["entropool-agent", "entropool-controller"]);
    for job in jobs {
        let targets = job["relabel_configs"].as_array().unwrap().iter().map(|rule| &rule["target_label"]);
        assert!(targets.into_iter().any(|target| target == "node"), "{job}");
    }
}
