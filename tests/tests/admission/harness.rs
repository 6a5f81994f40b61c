//! The server itself: that what other tests stand on is what it says it is.

use entropool_tests::cluster::{ApiServer, Part};

#[test]
fn a_user_without_rights_is_refused_and_the_audit_log_says_so() {
    let server = ApiServer::shared().unwrap();
    let nobody = server.user("nobody", "none").unwrap();
    let refused = server.kubectl_as(&nobody, ["get", "nodes"]).output().unwrap();
    assert!(!refused.status.success());
    let calls = server.calls().unwrap();
    let call = calls.iter().find(|call| call.user == "nobody" && call.resource == "nodes").unwrap();
    assert_eq!((call.verb.as_str(), call.code, call.allowed), ("list", 403, false));
}

#[test]
fn a_restored_store_has_what_the_snapshot_had() {
    let server = ApiServer::start().unwrap();
    let files = tempfile::tempdir().unwrap();
    let snapshot = files.path().join("snapshot");
    server.said(["create", "namespace", "before"]).unwrap();
    server.save(&snapshot).unwrap();
    server.said(["create", "namespace", "after"]).unwrap();
    server.compact().unwrap();
    server.restore(&snapshot).unwrap();
    let names = server.said(["get", "namespaces", "--output=name"]).unwrap();
    assert!(names.contains("namespace/before") && !names.contains("namespace/after"), "{names}");
}

#[test]
fn what_was_stored_outlives_a_crash_of_both_parts() {
    let server = ApiServer::start().unwrap();
    server.said(["create", "namespace", "kept"]).unwrap();
    server.kill(Part::KubeApiserver).unwrap();
    server.kill(Part::Etcd).unwrap();
    assert!(!server.kubectl(["get", "namespace", "kept"]).output().unwrap().status.success());
    server.restart(Part::Etcd).unwrap();
    server.restart(Part::KubeApiserver).unwrap();
    server.said(["get", "namespace", "kept"]).unwrap();
}
