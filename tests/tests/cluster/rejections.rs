//! What a pod's author is told whose volume cannot be had.

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};

#[test]
fn a_refusal_is_the_answer_or_an_event_of_the_pod_with_a_sentence() {
    let cluster = Kubernetes::alone().unwrap();
    pool(&cluster, "open", "", "rate: 1Ki/s").unwrap();
    pool(&cluster, "closed", "allowedNamespaces: {from: None}", "weight: 1").unwrap();
    let tenant = Tenant::new(&cluster, "refused").unwrap();
    let refused = [
        ("unknown-pool", "entropool.io/pool: nowhere", true, "there is no pool nowhere"),
        (
            "unknown-class",
            "entropool.io/pool: open, entropool.io/class: nothing",
            true,
            "has no class nothing",
        ),
        ("another-pool", "entropool.io/pool: open, entropool.io/class: closed", true, "has no class closed"),
        ("foreign", "entropool.io/pool: closed", true, "namespace refused"),
        ("no-pool", "entropool.io/class: open", true, "names no pool"),
    ];
    for (name, attributes, read_only, sentence) in refused {
        let said = tenant.pod_with(name, attributes, read_only, "{}").unwrap_err().to_string();
        assert!(said.contains(sentence), "{name}: {said}");
    }
    // What the webhook leaves to the agent.
    let cases = [
        ("misspelled", "entropool.io/pool: open, entropool.io/clas: open", true, "entropool.io/clas"),
        ("writable", "entropool.io/pool: open", false, "readOnly: true"),
    ];
    for (name, attributes, read_only, _) in cases {
        tenant.pod_with(name, attributes, read_only, "{}").unwrap();
    }
    for (name, .., sentence) in cases {
        let words =
            format!("-n refused get events --field-selector involvedObject.name={name},reason=FailedMount");
        let said = cluster.until_said(&words, sentence).unwrap();
        assert!(said.contains("rpc error"), "{name}: {said}");
    }
    tenant.delete("--all").unwrap();
}
