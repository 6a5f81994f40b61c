//! What must be refused at a first start: with a sentence that names file, object and field, and
//! before anything is served.

use std::fs;

use entropool_tests::daemon::Refusal;

use crate::{beside_others, host};

/// A valid pool for classes to lie in.
const POOL: &str = "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 32Ki/s}
---
";

fn class(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
    )
}

/// Refuses `manifest`; each of `words` is somewhere in what was said.
fn refused(manifest: &str, words: &[&str]) {
    let _machine = beside_others();
    let host = host(manifest);

    let refusal = Refusal::of(host.run().args(["--vm", "a=default/gold"])).unwrap();

    assert_eq!(refusal.code, Some(1), "{}", refusal.said);
    for word in words.iter().chain(&["pools.yaml"]) {
        assert!(refusal.said.contains(word), "no {word:?} in:\n{}", refusal.said);
    }
    assert_eq!(fs::read_dir(host.socket_dir()).unwrap().count(), 0, "nothing may be served");
}

#[test]
fn a_wrong_type_is_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{pool: default, weight: heavy}")), &["gold", "weight"]);
}

#[test]
fn an_unknown_field_is_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{pool: default, ceiling: 8Ki/s}")), &["gold", "ceiling"]);
}

#[test]
fn a_class_without_a_pool_is_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{weight: 100}")), &["gold", "pool"]);
}

#[test]
fn a_class_of_a_pool_that_is_not_there_is_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{pool: other}")), &["gold", "other"]);
}

#[test]
fn a_parent_of_another_pool_is_refused() {
    let other = POOL.replace("name: default", "name: other");
    let classes = class("paid", "{pool: other}") + &class("gold", "{pool: default, parent: paid}");
    refused(&(POOL.to_owned() + &other + &classes), &["gold", "paid", "other"]);
}

#[test]
fn parents_in_a_circle_are_refused() {
    let circle =
        class("gold", "{pool: default, parent: paid}") + &class("paid", "{pool: default, parent: gold}");
    refused(&(POOL.to_owned() + &circle), &["gold", "paid", "parent"]);
}

#[test]
fn rates_beyond_the_pool_are_refused_with_what_is_left() {
    let classes =
        class("gold", "{pool: default, rate: 24Ki/s}") + &class("paid", "{pool: default, rate: 16Ki/s}");
    refused(&(POOL.to_owned() + &classes), &["rate", "16Ki/s", "32Ki/s"]);
}

#[test]
fn a_zero_rate_is_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{pool: default, rate: 0/s}")), &["gold", "rate", "omit"]);
}

#[test]
fn bits_are_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{pool: default, rate: 64kbit/s}")), &["gold", "rate", "bit"]);
}

#[test]
fn a_rate_without_a_period_is_refused() {
    refused(&(POOL.to_owned() + &class("gold", "{pool: default, rate: 64Ki}")), &["gold", "rate", "64Ki/s"]);
}

#[test]
fn one_name_for_two_objects_is_refused() {
    let twice = class("gold", "{pool: default}") + &class("gold", "{pool: default, weight: 7}");
    refused(&(POOL.to_owned() + &twice), &["gold"]);
}

#[test]
fn what_is_not_yaml_at_all_is_refused() {
    refused("{{{ not: [yaml", &[]);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let classes = class("gold", "{pool: default, rate: 0/s, ceiling: 1/s}")
        + &class("silver", "{pool: default, weight: heavy}")
        + &class("bronze", "{pool: default, rate: 64Ki}");
    refused(&(POOL.to_owned() + &classes), &["gold", "ceiling", "silver", "weight", "bronze", "64Ki"]);
}

#[test]
fn a_vm_of_a_class_that_is_not_there_is_refused() {
    let _machine = beside_others();
    let host = host(POOL);
    let refusal = Refusal::of(host.run().args(["--vm", "web-1=default/gold"])).unwrap();

    assert_eq!(refusal.code, Some(1), "{}", refusal.said);
    assert!(refusal.said.contains("web-1") && refusal.said.contains("gold"), "{}", refusal.said);
    assert_eq!(fs::read_dir(host.socket_dir()).unwrap().count(), 0, "nothing may be served");
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let _machine = beside_others();
    let host = host(POOL);
    fs::remove_file(host.manifest()).unwrap();
    let refusal = Refusal::of(&mut host.run()).unwrap();

    assert_eq!(refusal.code, Some(1), "{}", refusal.said);
    assert!(refusal.said.contains("pools.yaml"), "{}", refusal.said);
}

#[test]
fn a_wrong_use_has_an_exit_code_of_its_own() {
    let _machine = beside_others();
    let refusal = Refusal::of(host(POOL).run().arg("--no-such-flag")).unwrap();
    assert_eq!(refusal.code, Some(2), "{}", refusal.said);
}
