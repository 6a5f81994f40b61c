//! What docs/kubernetes.md says happens when objects are edited, that no other test has seen happen.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use entropool_tests::EgdClient;

use crate::kubectl::{apply, class, condition, get, pool, until_condition};
use crate::scenario::Scenario;

const PAGE: &str = include_str!("../../../docs/objects.md");

#[test]
fn every_behaviour_that_is_stated_is_seen_by_a_test_of_that_name() {
    let mut sources = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for room in ["agent", "api", "cli", "controller", "tests"] {
        read_all(&root.join(room), &mut sources);
    }
    let rows: Vec<_> = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.rsplit_once(" | `")).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for (stated, test) in rows {
        let test = test.trim_end_matches("` |");
        assert!(sources.contains(&format!("fn {test}(")), "{stated}: there is no test {test}");
    }
}

fn read_all(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            read_all(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// What the API server says to a manifest that it does not take.
fn refusal(scene: &Scenario, yaml: &str) -> String {
    let output = scene.api.feed(["create", "-f", "-"], yaml).unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_is_said_of_edits_is_so() {
    let scene = Scenario::with_a_vm(&["only"], "8Ki/s");
    a_class_is_changed_under_load(&scene);
    a_namespace_loses_its_right(&scene);
    edits_would_close_a_circle(&scene);
    an_object_is_too_large(&scene);
    a_text_is_in_any_script(&scene);
    scene.draws("vm");
    until_condition(&scene.api, "eclass/gold", "Ready", "True AsPromised");
}

/// Whoever draws goes on drawing, on the connection it has.
fn a_class_is_changed_under_load(scene: &Scenario) {
    let mut client = EgdClient::connect(&scene.agents[0].socket("vm")).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let drawing = scope.spawn(|| {
            let mut reads = 0_u32;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(client.read(255).unwrap().len(), 255);
                reads += 1;
            }
            reads
        });
        for rate in ["4Ki/s", "16Ki/s", "2Ki/s", "8Ki/s"] {
            scene.edit_and_follow(rate);
        }
        over.store(true, Ordering::Relaxed);
        assert!(drawing.join().unwrap() > 0);
    });
}

fn a_namespace_loses_its_right(scene: &Scenario) {
    let label =
        |label: &str| drop(scene.api.said(["label", "--overwrite", "namespace/default", label]).unwrap());
    label("team=a");
    let only = "allowedNamespaces: {from: Selector, selector: {matchLabels: {team: a}}}";
    apply(&scene.api, &class("own", &format!("rate: 1Ki/s, {only}")));
    scene.all_run("own", "1Ki/s");
    scene.attach("draws", "own").unwrap();
    scene.draws("draws");

    label("team=b");
    let mut number = 0;
    let refused = patiently(|| {
        number += 1;
        scene.attach(&format!("late-{number}"), "own").err()
    });
    assert!(refused.to_string().contains("default"), "{refused}");
    scene.draws("draws");

    label("team=a");
    patiently(|| scene.attach("again", "own").ok());
    scene.draws("again");
}

fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut tries = (0..300).map(|_| {
        thread::sleep(Duration::from_millis(100));
        attempt()
    });
    tries.find_map(|it| it).expect("it comes within half a minute")
}

fn edits_would_close_a_circle(scene: &Scenario) {
    apply(&scene.api, &(class("above", "rate: 2Ki/s") + &class("below", "rate: 1Ki/s, parent: above")));
    until_condition(&scene.api, "eclass/below", "Ready", "True AsPromised");
    apply(&scene.api, &class("above", "rate: 2Ki/s, parent: below"));
    let above = until_condition(&scene.api, "eclass/above", "Accepted", "False ParentCycle");
    assert!(above["status"]["conditions"][0]["message"].as_str().unwrap().contains("below"), "{above}");
    assert_eq!(condition(&get(&scene.api, "eclass/below"), "Accepted"), "True Accepted");
    scene.all_run("below", "1Ki/s");
    apply(&scene.api, &class("above", "rate: 2Ki/s"));
    until_condition(&scene.api, "eclass/above", "Ready", "True AsPromised");
}

/// One is refused by the API server; the largest that it stores is an object like any other.
fn an_object_is_too_large(scene: &Scenario) {
    let noted = |name: &str, bytes: usize| {
        let note = "x".repeat(bytes);
        format!(
            "{{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {{name: {name}, annotations: {{note: {note}}}}}, spec: {{pool: default, rate: 1Ki/s}}}}"
        )
    };
    let told = refusal(scene, &noted("huge", 1_600_000));
    assert!(told.contains("too large") || told.contains("Too long"), "{told}");
    let made = scene.api.feed(["create", "-f", "-"], &noted("large", 250_000)).unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    until_condition(&scene.api, "eclass/large", "Ready", "True AsPromised");
    scene.all_run("large", "1Ki/s");
    scene.edit_and_follow("8Ki/s");
}

fn a_text_is_in_any_script(scene: &Scenario) {
    let text = "Prüfbericht № 7 — 乱数 🎲 עברית";
    let sources = format!("sources: [{{name: kernel, kernel: {{}}, assessment: \"{text}\"}}]");
    apply(&scene.api, &pool(&format!("32Ki/s, {sources}")));
    until_condition(&scene.api, "epool/default", "Ready", "True AsPromised");
    assert_eq!(get(&scene.api, "epool/default")["status"]["sources"][0]["assessment"], text);
    let told = refusal(scene, &class("grün", "rate: 1Ki/s"));
    assert!(told.contains("metadata.name") && told.contains("lowercase"), "{told}");
}
