//! The life of a pool and its classes as `kubectl` shows it, while agents follow and a VM draws.

use crate::kubectl::{apply, class, condition, get, pool, until, until_condition, until_row};
use crate::scenario::Scenario;

fn restart_replicas(scene: &mut Scenario) {
    for replica in std::mem::take(&mut scene.replicas) {
        scene.service.remove(replica.agents);
        replica.stop().unwrap();
    }
    scene.start_replicas(&["c", "d"]);
}

/// Waits until a row of `kubectl get` begins so, without headers.
fn shows(scene: &Scenario, object: &str, row: &[&str]) {
    until_row(&scene.api, object, row);
}

#[test]
fn agents_follow_each_edit_and_kubectl_tells_the_truth_at_each_step() {
    let mut scene = Scenario::set(&["a", "b"]);
    apply(&scene.api, &(pool("32Ki/s") + &class("gold", "rate: 16Ki/s") + &class("bronze", "rate: 4Ki/s")));
    shows(&scene, "epool/default", &["default", "True", "AsPromised", "2", "0", "20Ki/s"]);
    shows(&scene, "eclass/gold", &["gold", "default", "True", "AsPromised", "2", "0", "16Ki/s"]);
    scene.all_run("gold", "16Ki/s");
    scene.attach("vm", "gold").unwrap();
    scene.draws("vm");

    edit(&scene);
    break_and_restart(&mut scene);
    mend(&scene);
    delete_and_bring_back(&scene);
    // Seldom written, and true in the end.
    shows(&scene, "eclass/gold", &["gold", "default", "True", "AsPromised", "2", "1"]);
}

fn edit(scene: &Scenario) {
    apply(&scene.api, &class("gold", "rate: 8Ki/s"));
    scene.all_run("gold", "8Ki/s");
    shows(scene, "epool/default", &["default", "True", "AsPromised", "2"]);
    let gold = until(&scene.api, "eclass/gold", "at 8Ki/s on both nodes", |gold| {
        gold["status"]["effective"]["rate"] == "8Ki/s" && gold["status"]["nodes"]["programmed"] == 2
    });
    assert_eq!(condition(&gold, "Programmed"), "True Programmed");
    until(&scene.api, "epool/default", "counting what is promised", |pool| {
        pool["status"]["assured"]["promised"] == "12Ki/s"
    });
    scene.draws("vm");
}

/// One rate too many: gold is told, nobody else hears of it, and nothing is taken away, whoever is restarted.
fn break_and_restart(scene: &mut Scenario) {
    let neighbours = ["epool/default", "eclass/bronze"].map(|object| (object, get(&scene.api, object)));
    apply(&scene.api, &class("gold", "rate: 64Ki/s"));
    let gold = until_condition(&scene.api, "eclass/gold", "Accepted", "False RateOverParent");
    let message = gold["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("spec.rate") && message.ends_with("Generation 2 stays in effect"), "{message}");
    shows(scene, "eclass/gold", &["gold", "default", "False", "NotAccepted", "2"]);
    let told = scene.api.said(["describe", "eclass/gold"]).unwrap();
    assert!(told.contains("RateOverParent") && told.contains("Generation 2 stays in effect"), "{told}");

    restart_replicas(scene);
    // A harmless change shows that the new ones plan, serve and write.
    apply(&scene.api, &class("silver", "rate: 1Ki/s"));
    until_condition(&scene.api, "eclass/silver", "Ready", "True AsPromised");
    scene.all_run("silver", "1Ki/s");
    scene.all_run("gold", "8Ki/s");
    scene.draws("vm");
    scene.replicas.iter().for_each(crate::metrics::are_as_the_page_says);
    let gold = get(&scene.api, "eclass/gold");
    assert_eq!(condition(&gold, "Accepted"), "False RateOverParent");
    assert_eq!(gold["status"]["effective"]["rate"], "8Ki/s");
    for (object, before) in neighbours {
        let now = get(&scene.api, object);
        assert_eq!(now["status"]["accepted"], before["status"]["accepted"], "{object}");
        assert_eq!(condition(&now, "Accepted"), "True Accepted", "{object}");
    }
}

fn mend(scene: &Scenario) {
    apply(&scene.api, &class("gold", "rate: 12Ki/s"));
    let gold = until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
    assert_eq!(gold["status"]["accepted"]["generation"], 4);
    scene.all_run("gold", "12Ki/s");
}

/// What is deleted takes no new VM, and keeps the ones it has.
fn delete_and_bring_back(scene: &Scenario) {
    let held = get(&scene.api, "epool/default")["metadata"]["finalizers"].clone();
    assert!(held.is_null(), "{held}");
    scene.api.said(["delete", "epool/default"]).unwrap();
    until_condition(&scene.api, "eclass/gold", "Ready", "False UnknownPool");
    scene.agents[0].wait_for(&["pools"], "(deleted)").unwrap();
    scene.draws("vm");
    let refused = scene.attach("late", "gold").unwrap_err().to_string();
    assert!(refused.contains("default"), "{refused}");

    apply(&scene.api, &pool("32Ki/s"));
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
    scene.api.said(["delete", "eclass/silver"]).unwrap();
    for _ in 0..600 {
        if scene.agents.iter().all(|agent| agent.rate_of("silver").unwrap().is_none()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(scene.agents[1].rate_of("silver").unwrap(), None);
    scene.all_run("gold", "12Ki/s");
    scene.draws("vm");
}
