//! Manifests that change while a daemon runs.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{Daemon, Home, draw};

fn pool(rate: &str) -> String {
    format!(
        "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {{name: default}}\nspec: {{rate: {rate}}}\n"
    )
}

fn class(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {{name: {name}}}\n\
         spec: {{pool: default, {spec}}}\n"
    )
}

fn rate(daemon: &Daemon) -> serde_json::Value {
    daemon.json(&["pools"])["pools"][0]["rate"].clone()
}

#[test]
fn valid_change_is_applied_and_invalid_one_is_not() {
    let home = Home::new();
    home.write("pools.yaml", &(pool("64Ki/s") + &class("gold", "rate: 16Ki/s")));
    let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default/gold"]);

    home.write("pools.yaml", &(pool("128Ki/s") + &class("gold", "rate: 32Ki/s")));
    let line = daemon.wait_for("class=\"gold\"");
    assert!(line.contains("rate 16Ki/s -> 32Ki/s"), "{line}");
    assert_eq!(rate(&daemon), "128Ki/s");

    home.write("pools.yaml", &(pool("1Mi/s") + &class("gold", "rate: 64K/s, weigth: 3")));
    let refused = daemon.wait_for("spec.rate");
    assert!(refused.contains("pools.yaml:") && refused.contains("EntropyClass gold"), "{refused}");
    daemon.wait_for("weigth");
    assert_eq!(rate(&daemon), "128Ki/s", "nothing of a manifest with a mistake is taken");

    home.write("pools.yaml", &(pool("128Ki/s") + &class("gold", "rate: 200Ki/s")));
    let refused = daemon.wait_for("refused");
    assert!(refused.contains("EntropyClass gold: spec.rate: 200Ki/s is more than"), "{refused}");
    assert_eq!(daemon.json(&["classes"])["classes"][1]["rate"], "32Ki/s");
    assert_eq!(draw(&home.socket("a"), 500), 500);

    home.write("pools.yaml", &(pool("256Ki/s") + &class("gold", "rate: 200Ki/s")));
    daemon.wait_for("rate 32Ki/s -> 200Ki/s");
}

#[test]
fn class_cannot_change_its_pool() {
    let home = Home::new();
    let other = pool("1Mi/s").replace("default", "other");
    home.write("pools.yaml", &(pool("64Ki/s") + "---\n" + &other + &class("gold", "rate: 16Ki/s")));
    let mut daemon = home.start(&["-f", "pools.yaml"]);
    let moved = class("gold", "rate: 16Ki/s").replace("pool: default", "pool: other");
    home.write("pools.yaml", &(pool("64Ki/s") + "---\n" + &other + &moved));
    let refused = daemon.wait_for("refused");
    assert!(refused.contains("EntropyClass gold") && refused.contains("spec.pool"), "{refused}");
}

#[test]
fn vm_of_a_deleted_class_keeps_its_leaf_until_it_is_detached() {
    let home = Home::new();
    home.write("pools/pool.yaml", &pool("64Ki/s"));
    let gold = home.write("pools/gold.yaml", &class("gold", "rate: 16Ki/s"));
    let mut daemon = home.start(&["-f", "pools", "--vm", "a=default/gold"]);
    fs::remove_file(gold).unwrap();
    daemon.wait_for("change=removed");
    assert_eq!(draw(&home.socket("a"), 500), 500);
    let refused = daemon.refuses(&["attach", "b=default/gold"]);
    assert!(refused.contains("class gold has been deleted"), "{refused}");
    assert!(daemon.says(&["classes"]).contains("gold (deleted)"));
    daemon.says(&["detach", "a"]);
    assert!(!daemon.says(&["classes"]).contains("gold"));
}

#[test]
fn mounted_config_map_is_watched_through_its_swaps() {
    let home = Home::new();
    let mount = |version: &str, rate: &str| {
        home.write(&format!("mount/{version}/pools.yaml"), &pool(rate));
        symlink(version, home.path("mount/..tmp")).unwrap();
        fs::rename(home.path("mount/..tmp"), home.path("mount/..data")).unwrap();
    };
    mount("..1", "64Ki/s");
    symlink("..data/pools.yaml", home.path("mount/pools.yaml")).unwrap();
    let mut daemon = home.start(&["-f", "mount"]);
    mount("..2", "128Ki/s");
    daemon.wait_for("rate 64Ki/s -> 128Ki/s");
    fs::remove_dir_all(home.path("mount/..1")).unwrap();
    mount("..3", "256Ki/s");
    daemon.wait_for("rate 128Ki/s -> 256Ki/s");
}

#[test]
fn selector_matches_a_namespace_that_is_added_later() {
    let home = Home::new();
    let selected =
        "allowedNamespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: lab}}}";
    home.write("pools.yaml", &(pool("64Ki/s") + &class("gold", selected)));
    let daemon = home.start(&["-f", "pools.yaml"]);
    daemon.says(&["attach", "a=default/gold", "--namespace", "lab"]);
    let refused = daemon.refuses(&["attach", "b=default/gold", "--namespace", "other"]);
    assert!(refused.contains("namespace other may not use class gold"), "{refused}");
}
