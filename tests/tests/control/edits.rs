//! Many objects at once.

use entropool_tests::cluster::{Agent, Controller};

use crate::kubectl::{apply, class, cluster, condition, get, pool, until, until_condition};

#[test]
fn a_thousand_classes_run_and_the_one_too_many_does_not() {
    let api = cluster(&[]);
    let controller = Controller::start(&api, "only").unwrap();
    let agent = Agent::start(&api, controller.agents, "n1").unwrap();
    let classes: String = (0..1_000).map(|number| class(&format!("c{number}"), "rate: 1/s")).collect();
    apply(&api, &(pool("1000/s") + &classes));
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
    agent.wait_for_rate("c999", "1/s").unwrap();
    let run = agent.ask(&["classes"]).unwrap().lines().filter(|line| line.contains(" c")).count();
    assert_eq!(run, 1_000);
    until(&api, "epool/default", "counting all of them", |pool| {
        pool["status"]["assured"]["promised"] == "1k/s"
    });
}
