//! A VM whose owner wrote a pool's name, and nothing else.

use std::time::Duration;

use entropool_tests::cluster::Kubernetes;
use soak::Run;

use crate::tenant::{Tenant, pool};
use crate::uninstall::OF_A_LIVING_ONE;
use crate::vm::{FLOOD, IDLE, Vm, longest_wait, pace};

#[test]
fn a_vm_that_names_a_pool_reads_at_the_rate_of_its_class() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "metered", "defaultClass: metered", "ceil: 2Ki/s").unwrap();
    Tenant::held_to(&cluster, "one", "baseline").unwrap();
    let vm = Vm::create(&cluster, "one", "web", "entropool.io/pool: metered", FLOOD).unwrap();
    vm.up().unwrap();
    let rng = vm.rng().unwrap();
    for part in [
        "<rng model=",
        "model='egd'",
        "path='/run/entropool/egd.sock'",
        "<reconnect enabled='yes' timeout='1'/>",
    ] {
        assert!(rng.contains(part), "{part}: {rng}");
    }
    assert_eq!(vm.bound().unwrap(), r#"{"class":"metered","injection":"sidecar","pool":"metered"}"#);
    // Its first bytes are its burst.
    vm.counts_for(Duration::from_secs(2)).unwrap();
    let pace = pace(&vm.counts_for(Duration::from_secs(5)).unwrap()).unwrap();
    assert!((1900.0..2200.0).contains(&pace), "{pace} bytes/s");
    let drawer = vm.drawer("metered").unwrap();
    let while_it_lives = drawer.traces(&cluster).unwrap();
    for trace in OF_A_LIVING_ONE {
        assert!(while_it_lives.iter().any(|found| found == trace), "{trace}: {while_it_lives:?}");
    }
    vm.delete().unwrap();
    drawer.until_gone(&cluster).unwrap();
}

#[test]
fn two_classes_share_as_the_tree_says() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "shared", "rate: 3Ki/s", "weight: 300").unwrap();
    cluster
        .apply("apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {name: lesser}\nspec: {pool: shared, weight: 100}\n")
        .unwrap();
    cluster.said("wait --for=condition=Ready --timeout=60s eclass/lesser").unwrap();
    let vms = [("rich", "shared"), ("poor", "lesser")].map(|(namespace, class)| {
        Tenant::held_to(&cluster, namespace, "baseline").unwrap();
        let annotations = format!("entropool.io/pool: shared, entropool.io/class: {class}");
        Vm::create(&cluster, namespace, "web", &annotations, FLOOD).unwrap()
    });
    for vm in &vms {
        vm.up().unwrap();
        vm.counts_for(Duration::from_secs(2)).unwrap();
    }
    // Both at once: what holds one of them up on a busy machine is the other's to borrow.
    let mut of_poor = Vec::new();
    let of_rich = vms[0].while_it_counts(Duration::from_millis(100), || {
        of_poor = vms[1].counts_for(Duration::from_secs(5))?;
        Ok(())
    });
    let [rich, poor] = [of_rich.unwrap(), of_poor].map(|counts| pace(&counts).unwrap());
    assert!((2.6..3.4).contains(&(rich / poor)), "{rich} and {poor} bytes/s");
    assert!((2900.0..3250.0).contains(&(rich + poor)), "{rich} and {poor} bytes/s");
    for vm in vms {
        vm.delete().unwrap();
    }
}

#[test]
fn a_third_vm_waits_for_one_of_two_places_and_a_quota_refuses_a_second() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    // Where another node had places left, nobody would be told that there are none.
    let here = "defaultClass: pair, nodeSelector: {kubernetes.io/hostname: node1}";
    pool(&cluster, "pair", here, "maxVMs: 2").unwrap();
    cluster
        .until_said("get node node1 -o jsonpath={.status.allocatable}", r#""entropool.io/pair":"2""#)
        .unwrap();
    for namespace in ["full", "thrifty"] {
        Tenant::held_to(&cluster, namespace, "baseline").unwrap();
    }
    let create =
        |namespace, name| Vm::create(&cluster, namespace, name, "entropool.io/pool: pair", IDLE).unwrap();
    let [first, second] = ["a", "b"].map(|name| create("full", name));
    first.up().unwrap();
    second.up().unwrap();
    let third = create("full", "c");
    let warning = "Warning: class pair of pool pair has no free slot on any node";
    assert!(third.told.contains(warning) && !second.told.contains("Warning"), "{}", third.told);
    cluster.until_said("-n full get events", "Insufficient entropool.io/pair").unwrap();
    first.delete().unwrap();
    third.up().unwrap();
    second.delete().unwrap();
    third.delete().unwrap();

    let thrifty = Tenant { cluster: &cluster, namespace: "thrifty" };
    thrifty.quota("pair", 1).unwrap();
    let first = create("thrifty", "a");
    first.up().unwrap();
    let second = create("thrifty", "b");
    cluster
        .until_said(
            "-n thrifty get events",
            "exceeded quota: one, requested: requests.entropool.io/pair=1, used: requests.entropool.io/pair=1",
        )
        .unwrap();
    second.delete().unwrap();
    first.delete().unwrap();
}

#[test]
fn a_vm_that_cannot_have_what_it_names_is_refused_with_a_sentence() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "public", "", "weight: 1").unwrap();
    pool(&cluster, "private", "allowedNamespaces: {from: None}", "weight: 1").unwrap();
    Tenant::held_to(&cluster, "hopeful", "baseline").unwrap();
    let cases = [
        ("entropool.io/pool: nowhere", "nowhere"),
        ("entropool.io/pool: private", "namespace hopeful"),
        ("entropool.io/pool: public, entropool.io/class: private", "private"),
    ];
    for (annotations, sentence) in cases {
        let refused = Vm::create(&cluster, "hopeful", "web", annotations, IDLE).err().unwrap().to_string();
        assert!(
            refused.contains("denied the request") && refused.contains(sentence),
            "{annotations}: {refused}"
        );
    }
}

#[test]
fn while_kubevirts_gate_is_off_a_vm_is_refused_with_what_to_add() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "gated", "defaultClass: gated", "weight: 1").unwrap();
    Tenant::held_to(&cluster, "gateless", "baseline").unwrap();
    let gates = |gates: &str| {
        let patch = r#"{"spec":{"configuration":{"developerConfiguration":{"featureGates":[GATES]}}}}"#;
        let patch = patch.replace("GATES", gates);
        cluster.said(&format!("-n kubevirt patch kubevirt kubevirt --type=merge -p {patch}")).unwrap();
    };
    let create = || Vm::create(&cluster, "gateless", "web", "entropool.io/pool: gated", IDLE);
    gates("");
    // The controller hears of it a moment later; until then a VM may still be taken.
    let refused = cluster.until("a refusal", |_| match create() {
        Ok(vm) => vm.delete().map(|()| None),
        Err(error) => Ok(Some(error.to_string())),
    });
    gates("\"Sidecar\"");
    let refused = refused.unwrap();
    assert!(
        refused.contains("Sidecar") && refused.contains("developerConfiguration.featureGates"),
        "{refused}"
    );
    cluster.until("a VM that is taken", |_| create().map(Some)).unwrap().delete().unwrap();
}

#[test]
fn while_the_controller_is_away_a_vm_draws_on_and_one_that_names_no_pool_never_notices() {
    let mut run = Run::begin("controller-away", 5, 90);
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "ours", "defaultClass: ours", "ceil: 2Ki/s").unwrap();
    Tenant::held_to(&cluster, "apart", "baseline").unwrap();
    let named = |name| Vm::create(&cluster, "apart", name, "entropool.io/pool: ours", FLOOD);
    let drawing = named("drawing").unwrap();
    drawing.up().unwrap();
    let quiet = longest_wait(&drawing.counts_for(Duration::from_secs(3)).unwrap()).unwrap();
    let counts = drawing.while_it_counts(Duration::from_secs(3), || {
        cluster.scale_controller(0)?;
        let vm = Vm::create(&cluster, "apart", "plain", "", IDLE)?;
        vm.up()?;
        assert_eq!((vm.bound()?, vm.rng()?), (String::new(), String::new()));
        let refused = named("named").err().unwrap().to_string();
        assert!(refused.contains("failed calling webhook"), "{refused}");
        drawing.counts_for(Duration::from_secs(run.count()))?;
        vm.delete()?;
        cluster.scale_controller(1)
    });
    let wait = longest_wait(&counts.unwrap()).unwrap();
    println!("longest waits: {quiet:?} before, {wait:?} while no controller is there");
    run.figure("longest_wait_ms", u64::try_from(wait.as_millis()).unwrap());
    assert!(wait < quiet + Duration::from_millis(500), "{wait:?}");
    drawing.delete().unwrap();
    cluster.until("a VM that is taken", |_| named("named").map(Some)).unwrap().delete().unwrap();
}
