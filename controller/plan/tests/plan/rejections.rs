//! Each rule, with its message.

use api::Reason;

use crate::cluster::Cluster;

fn refused(objects: &str) -> Vec<String> {
    Cluster::host().write(objects).messages()
}

#[test]
fn every_rule_says_what_would_be_right() {
    let table = [
        ("an unknown pool", "class gold: {pool: defualt}\npool default: {}\npool other: {}"),
        ("no pool at all", "class gold: {pool: default}"),
        ("an unknown parent", "pool default: {}\nclass paid: {pool: default}\nclass gold: {pool: default, parent: payd}"),
        ("a parent in another pool", "pool a: {}\npool b: {}\nclass paid: {pool: a}\nclass gold: {pool: b, parent: paid}"),
        ("its own parent", "pool default: {}\nclass gold: {pool: default, parent: gold}"),
        (
            "a cycle",
            "pool default: {}\nclass a: {pool: default, parent: c}\nclass b: {pool: default, parent: a}
             class c: {pool: default, parent: b}\nclass below: {pool: default, parent: b}",
        ),
        ("more than the pool has", "pool default: {rate: 32Ki/s}\nclass gold: {pool: default, rate: 64Ki/s}"),
        (
            "more than the pool has left",
            "pool default: {rate: 32Ki/s}\nclass a: {pool: default, rate: 20Ki/s}\nclass b: {pool: default, rate: 4Ki/s}
             class gold: {pool: default, rate: 64Ki/s}",
        ),
        (
            "nothing left, many holders",
            "pool default: {rate: 6/s}\nclass a: {pool: default, rate: 1/s}\nclass b: {pool: default, rate: 1/s}
             class c: {pool: default, rate: 1/s}\nclass d: {pool: default, rate: 1/s}
             class e: {pool: default, rate: 2/s}\nclass gold: {pool: default, rate: 60/min}",
        ),
        (
            "a parent that is assured nothing",
            "pool default: {}\nclass paid: {pool: default}\nclass gold: {pool: default, parent: paid, rate: 1/h}",
        ),
        ("a pool's rate over its ceil", "pool default: {rate: 2Ki/s, ceil: 1Ki/s}"),
        (
            "rates over ceils",
            "pool default: {}
             class gold: {pool: default, rate: 2Ki/s, ceil: 1Ki/s, perVM: {rate: 1Ki/s, ceil: 1000/s}, perNamespace: {rate: 1Ki/s, ceil: 999/s}}",
        ),
        (
            "parts that are more than the whole",
            "pool default: {}\nclass gold: {pool: default, rate: 1Ki/s, perVM: {rate: 2Ki/s}, perNamespace: {rate: 3Ki/s}, maxVMs: 2}",
        ),
        (
            "a VM that is more than its namespace",
            "pool default: {}\nclass gold: {pool: default, rate: 8Ki/s, perVM: {rate: 2Ki/s}, perNamespace: {rate: 1Ki/s}}",
        ),
        (
            "too many VMs",
            "pool default: {}
             class gold: {pool: default, rate: 10Ki/s, perVM: {rate: 1Ki/s}, maxVMs: 40, perNamespace: {rate: 2Ki/s, maxVMs: 3}}",
        ),
        ("a default class that is not there", "pool default: {defaultClass: shared}"),
        ("a default class of another pool", "pool a: {}\npool default: {defaultClass: shared}\nclass shared: {pool: a}"),
        (
            "a default class that is refused itself",
            "pool default: {defaultClass: shared, rate: 1Ki/s}\nclass shared: {pool: default, rate: 2Ki/s}\nclass other: {pool: default}",
        ),
        (
            "a pool that can never serve",
            "pool default: {output: FullEntropy, minHealthySources: 2, sources: [{name: kernel, kernel: {}}, {name: trng, device: {path: /dev/hwrng}, minEntropyPerByte: '6'}]}",
        ),
        (
            "more sources than there are",
            "pool default: {minHealthySources: 3, sources: [{name: kernel, kernel: {}}, {name: trng, device: {path: /dev/hwrng}}]}",
        ),
        (
            "a pool over its sources",
            "pool default: {output: FullEntropy, rate: 512Ki/s, sources: [{name: trng, device: {path: /dev/hwrng}, capacity: {perNode: 125k/s}, minEntropyPerByte: '6'}]}",
        ),
    ];
    let text: Vec<_> =
        table.iter().map(|(what, objects)| format!("{what}:\n  {}", refused(objects).join("\n  "))).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn proportional_admission_admits_more_than_the_rate_has_room_for() {
    let objects = "pool default: {}
        class gold: {pool: default, rate: 10Ki/s, perVM: {rate: 1Ki/s}, maxVMs: 40, admission: Proportional}";
    assert!(refused(objects).is_empty());
    let plan = Cluster::host().write(&objects.replace("maxVMs: 40, ", "")).plan();
    assert_eq!(plan.classes["gold"].effective.as_ref().unwrap().max_vms, None);
}

#[test]
fn all_errors_of_all_objects_are_reported_at_once() {
    let cluster = Cluster::host().write(
        "pool default: {rate: 1Ki/s, defaultClass: none}
         pool odd: {rate: 2Ki/s, ceil: 1Ki/s}
         class gold: {pool: gone, parent: nobody, rate: 2/s, ceil: 1/s}",
    );
    let expected = [
        ("default", Reason::UnknownClass, "spec.defaultClass"),
        ("odd", Reason::RateOverCeil, "spec.rate"),
        ("gold", Reason::UnknownPool, "spec.pool"),
        ("gold", Reason::UnknownParent, "spec.parent"),
        ("gold", Reason::RateOverCeil, "spec.rate"),
    ];
    let expected = expected.map(|(name, reason, field)| (name.to_owned(), reason, field.to_owned()));
    assert_eq!(cluster.reasons(), expected);
}

#[test]
fn a_tree_too_deep_is_refused_where_it_becomes_too_deep() {
    let class = |depth: usize| format!("class c{depth:02}: {{pool: default, parent: c{:02}}}\n", depth - 1);
    let chain: String = (1..33).map(class).collect();
    let cluster = Cluster::host().write("pool default: {}\nclass c00: {pool: default}").write(&chain);
    assert_eq!(cluster.reasons(), [("c32".to_owned(), Reason::TooDeep, "spec.parent".to_owned())]);
}

#[test]
fn a_subtree_cannot_be_moved_too_deep() {
    let class = |depth: usize| format!("class c{depth:02}: {{pool: default, parent: c{:02}}}\n", depth - 1);
    let chain: String = (1..31).map(class).collect();
    let cluster = Cluster::host()
        .write("pool default: {}\nclass c00: {pool: default}\nclass top: {pool: default}\nclass leaf: {pool: default, parent: top}")
        .write(&chain)
        .accept();
    assert!(cluster.reasons().is_empty());
    let moved = cluster.write("class top: {pool: default, parent: c30}");
    assert_eq!(moved.reasons(), [("top".to_owned(), Reason::TooDeep, "spec.parent".to_owned())]);
}

#[test]
fn what_the_schema_refuses_is_refused_here_too() {
    let mut cluster = Cluster::host().write("pool default: {}\nclass gold: {pool: default}");
    let pool = &mut cluster.snapshot.pools[0].spec;
    pool.output = api::Output::Raw;
    pool.min_healthy_sources = 3;
    pool.sources.push(api::Source::kernel());
    cluster.snapshot.classes[0].spec.per_vm.rate = Some("1/s".parse().unwrap());
    insta::assert_snapshot!(cluster.messages().join("\n"));
}

#[test]
fn one_source_by_one_name_twice_is_refused_where_a_node_may_have_both() {
    let sources = |one: &str, other: &str| {
        refused(&format!("pool default: {{sources: [{{name: one, {one}}}, {{name: other, {other}}}]}}"))
    };
    for (one, other, what) in [
        ("kernel: {}", "kernel: {}", "the kernel's generator"),
        ("cpu: {instruction: RDSEED}", "cpu: {instruction: RDSEED}", "RDSEED"),
        (
            "device: {path: /dev/hwrng}",
            "device: {path: /dev//./hwrng, creditNested: true}",
            "the device /dev//./hwrng",
        ),
        ("egd: {unix: /run/egd}", "egd: {unix: /run/egd}", "the EGD server /run/egd"),
        ("egd: {tcp: 'rack:708'}", "egd: {tcp: 'RACK:708'}, tier: 1", "the EGD server RACK:708"),
        ("file: {path: /tmp/noise}", "file: {path: /tmp/noise}", "the file /tmp/noise"),
        (
            "device: {path: /dev/trng}, nodeSelector: {rack: a}",
            "device: {path: /dev/trng}, nodeSelector: {disk: ssd}",
            "the device /dev/trng",
        ),
    ] {
        let message = format!(
            "EntropyPool default: spec.sources[other]: sources one and other are both {what}, and one source does not \
             count twice: remove one, or give them node selectors that no node matches both of"
        );
        assert_eq!(sources(one, other), [message]);
    }
    for (one, other) in [
        ("device: {path: /dev/trng0}", "device: {path: /dev/trng1}"),
        ("egd: {unix: /run/egd}", "file: {path: /run/egd}"),
        (
            "device: {path: /dev/trng}, nodeSelector: {rack: a}",
            "device: {path: /dev/trng}, nodeSelector: {rack: b}",
        ),
    ] {
        let refused = sources(one, other);
        assert!(!refused.iter().any(|message| message.contains("does not count twice")), "{refused:?}");
    }
}
