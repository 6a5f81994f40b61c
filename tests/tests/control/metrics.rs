//! What a controller tells Prometheus, against the page that says what it tells.

use std::collections::{BTreeMap, BTreeSet};

use entropool_tests::cluster::Controller;

const PAGE: &str = include_str!("../../../docs/controller-metrics.md");

/// Type and labels of each metric, by name.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

fn page() -> Families {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let row = |row: &str| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").filter_map(|label| label.strip_prefix('`')?.strip_suffix('`'));
        let labels = labels.map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    };
    rows.map(row).collect()
}

fn scraped(text: &str) -> Families {
    let mut kinds = BTreeMap::new();
    let mut families = Families::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            let total = if kind == "counter" { "_total" } else { "" };
            kinds.insert(format!("{name}{total}"), kind.to_owned());
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            let part = |suffix: &&str| Some(name.strip_suffix(*suffix)?.to_owned());
            let histogram = ["_bucket", "_sum", "_count"].iter().find_map(part);
            let name = histogram.as_deref().filter(|name| kinds.contains_key(*name)).unwrap_or(name);
            let labels = labels.filter(|label| label != "le");
            let kind = kinds.get(name).unwrap_or_else(|| panic!("{name} has no type"));
            families
                .entry(name.to_owned())
                .or_insert_with(|| (kind.clone(), BTreeSet::new()))
                .1
                .extend(labels);
        }
    }
    families
}

/// Nothing is told that the page does not name, and all that it names, but what nothing has happened of.
pub(crate) fn are_as_the_page_says(controller: &Controller) {
    let (_, text) = controller.get("/metrics").unwrap();
    let (page, scraped) = (page(), scraped(&text));
    for (name, family) in &scraped {
        assert_eq!(Some(family), page.get(name), "{name} is told otherwise than the page says");
    }
    let untold: Vec<_> = page.keys().filter(|name| !scraped.contains_key(*name)).collect();
    let of_nothing = [
        "entropool_controller_reviews_total",
        "entropool_controller_review_seconds",
        "entropool_problems",
        "entropool_class_full",
    ];
    assert!(untold.iter().all(|name| of_nothing.contains(&name.as_str())), "{untold:?} in\n{text}");
}
