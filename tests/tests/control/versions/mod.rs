//! Agent and controller one version apart, whichever is older. Both are the real programs; what stands between them has
//! each say and understand only what another version does.

mod bridge;
mod previous_schema;

use std::sync::Arc;

use entropool_tests::cluster::{Agent, Controller, Service};

use self::bridge::Bridge;
use self::previous_schema::PreviousSchema;
use crate::kubectl::{apply, class, cluster, get, pool, until, until_condition};
use crate::scenario::Scenario;

/// All that passes between the two: a configuration, its changes, what is refused, and what the node reports.
fn understand_each_other(dialect: PreviousSchema) {
    let (api, service, dialect) = (cluster(&[]), Service::start().unwrap(), Arc::new(dialect));
    let replica = Controller::start(&api, "only").unwrap();
    let between = Bridge::start(replica.agents, &api.controllers_authority().unwrap(), Arc::clone(&dialect));
    let agents = vec![Agent::start_in_clear(&api, between, "n1").unwrap()];
    let scene = Scenario { api, service, replicas: vec![replica], agents };
    apply(&scene.api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s")));
    scene.all_run("gold", "8Ki/s");
    scene.attach("vm", "gold").unwrap();
    scene.draws("vm");
    scene.edit_and_follow("9Ki/s");
    apply(&scene.api, &class("late", "rate: 1Ki/s"));
    scene.all_run("late", "1Ki/s");
    scene.api.said(["delete", "eclass/late"]).unwrap();
    until(&scene.api, "epool/default", "told of the VM", |it| it["status"]["vms"] == 1);
    let told = until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
    assert_eq!(told["status"]["nodes"], serde_json::json!({"selected": 1, "programmed": 1}));
    assert_eq!(get(&scene.api, "node/n1")["metadata"]["labels"]["entropool.io/agent"], "ready");
    scene.draws("vm");
    // Had the two understood all of each other, this would show nothing.
    assert!(dialect.differences() > 0);
    let log = scene.agents[0].log();
    assert_eq!(log.matches("subscribed").count(), 1, "{log}");
}

#[test]
fn an_agent_and_a_controller_of_the_version_before_and_this_one_work_together() {
    understand_each_other(PreviousSchema::previous());
}

#[test]
fn an_agent_and_a_controller_of_this_version_and_one_to_come_work_together() {
    understand_each_other(PreviousSchema::next());
}
