//! Objects that are applied, edited, broken, mended and deleted.

use std::fmt::Write;

use entropool_tests::cluster::Controller;

use crate::kubectl::{apply, cluster, condition, get, until, until_condition};

const POOL: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {rate: 32Ki/s}}\n";

fn class(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {{name: {name}}}, spec: {{pool: default, {spec}}}}}\n"
    )
}

#[test]
fn a_bad_edit_takes_nothing_away_also_when_every_controller_was_restarted() {
    let api = cluster(&["n1", "n2"]);
    let (first, second) =
        (Controller::start(&api, "first").unwrap(), Controller::start(&api, "second").unwrap());
    apply(&api, &(POOL.to_owned() + &class("gold", "rate: 16Ki/s") + &class("bronze", "rate: 4Ki/s")));
    for object in ["epool/default", "eclass/gold", "eclass/bronze"] {
        until_condition(&api, object, "Accepted", "True Accepted");
    }
    let pool = until(&api, "epool/default", "counting its classes", |it| {
        it["status"]["assured"]["promised"] == "20Ki/s"
    });
    assert_eq!(pool["status"]["nodes"]["selected"], 2);
    assert_eq!(condition(&pool, "Programmed"), "False NodesUnreachable");

    // One rate too many: gold is told, and nobody else hears of it.
    let neighbours = ["epool/default", "eclass/bronze"].map(|object| (object, get(&api, object)));
    apply(&api, &class("gold", "rate: 64Ki/s"));
    let gold = until_condition(&api, "eclass/gold", "Accepted", "False RateOverParent");
    let message = gold["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("spec.rate") && message.ends_with("Generation 1 goes on"), "{message}");
    assert_eq!(gold["status"]["effective"]["rate"], "16Ki/s");

    first.stop().unwrap();
    second.stop().unwrap();
    let third = Controller::start(&api, "third").unwrap();
    // A harmless change shows that the new one writes; gold is as it was.
    apply(&api, &class("silver", "weight: 7"));
    until_condition(&api, "eclass/silver", "Accepted", "True Accepted");
    let gold = get(&api, "eclass/gold");
    assert_eq!(condition(&gold, "Accepted"), "False RateOverParent");
    assert_eq!(gold["status"]["effective"]["rate"], "16Ki/s");
    crate::metrics::are_as_the_page_says(&third);
    for (object, before) in neighbours {
        assert_eq!(get(&api, object)["status"]["accepted"], before["status"]["accepted"], "{object}");
    }

    apply(&api, &class("gold", "rate: 8Ki/s"));
    let gold = until_condition(&api, "eclass/gold", "Accepted", "True Accepted");
    assert_eq!(
        (&gold["status"]["effective"]["rate"], &gold["status"]["accepted"]["generation"]),
        (&"8Ki/s".into(), &3.into())
    );

    api.said(["delete", "epool/default"]).unwrap();
    until_condition(&api, "eclass/gold", "Ready", "False UnknownPool");
    apply(&api, POOL);
    until_condition(&api, "eclass/gold", "Accepted", "True Accepted");
    until(&api, "epool/default", "counting its classes again", |pool| {
        pool["status"]["assured"]["promised"] == "12Ki/s"
    });
    third.stop().unwrap();
}

#[test]
fn a_thousand_classes_are_accepted_and_the_one_too_many_is_not() {
    let api = cluster(&["n1"]);
    let _controller = Controller::start(&api, "only").unwrap();
    let mut all = POOL.replace("32Ki/s", "1000/s");
    for number in 0..1_000 {
        write!(all, "{}", class(&format!("c{number}"), "rate: 1/s")).unwrap();
    }
    apply(&api, &all);
    let accepted = || {
        let list = get(&api, "eclass");
        let items = list["items"].as_array().unwrap();
        items.iter().filter(|class| condition(class, "Accepted") == "True Accepted").count()
    };
    assert!((0..300).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        accepted() == 1_000
    }));
    apply(&api, &class("more", "rate: 1/d"));
    until_condition(&api, "eclass/more", "Accepted", "False RateOverParent");
    assert_eq!(accepted(), 1_000);
}
