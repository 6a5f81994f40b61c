//! Places of a class, which the scheduler gives away.

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};

/// The webhook has the pod ask for a place.
const PLACE: &str = "{}";
const ATTRIBUTES: &str = "entropool.io/pool: narrow, entropool.io/class: narrow";

#[test]
fn who_finds_no_place_waits_for_one_and_starts_when_somebody_goes() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "narrow", "defaultClass: narrow", "maxVMs: 2").unwrap();
    cluster
        .until_said("get node node1 -o jsonpath={.status.allocatable}", r#""entropool.io/narrow":"2""#)
        .unwrap();
    let tenant = Tenant::new(&cluster, "crowd").unwrap();
    for name in ["first", "second"] {
        tenant.pod_with(name, ATTRIBUTES, true, PLACE).unwrap();
        tenant.ready(name).unwrap();
    }
    tenant.pod_with("third", ATTRIBUTES, true, PLACE).unwrap();
    cluster.until_said("-n crowd get events", "Insufficient entropool.io/narrow").unwrap();
    tenant.delete("first").unwrap();
    tenant.ready("third").unwrap();
    tenant.delete("--all").unwrap();
}

#[test]
fn a_quota_is_kubernetes_own() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "narrow", "defaultClass: narrow", "maxVMs: 2").unwrap();
    let tenant = Tenant::new(&cluster, "quota").unwrap();
    tenant.quota("narrow", 1).unwrap();
    cluster.until_said("-n quota get quota one -o jsonpath={.status.hard}", "narrow").unwrap();
    tenant.pod_with("first", ATTRIBUTES, true, PLACE).unwrap();
    let refused = tenant.pod_with("second", ATTRIBUTES, true, PLACE).unwrap_err().to_string();
    assert!(refused.contains("exceeded quota: one, requested: requests.entropool.io/narrow=1"), "{refused}");
    tenant.ready("first").unwrap();
    tenant.delete("--all").unwrap();
}
