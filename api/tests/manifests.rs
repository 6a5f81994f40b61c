//! Manifests: what is accepted, and the message for each kind of mistake.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use api::manifest::{Manifest, Object, merge, parse, transition};
use api::{EntropyClassSpec, EntropyPoolSpec};
use proptest::prelude::*;

/// The messages for each file of `tests/bad`, as users see them: read the table when it changes.
#[test]
fn every_mistake_has_a_message() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut table = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let manifest = merge([parse(name, &std::fs::read_to_string(&file).unwrap())]);
        assert!(!manifest.problems.is_empty(), "{name} has no problem");
        table.push_str(&messages(&manifest));
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

fn messages(manifest: &Manifest) -> String {
    manifest.problems.iter().chain(&manifest.ignored).fold(String::new(), |mut table, problem| {
        writeln!(table, "{problem}").unwrap();
        table
    })
}

#[test]
fn samples_are_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples");
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest = merge([parse("sample", &text)]);
        let problems = messages(&manifest);
        // Other kinds are ignored; any other message would be a mistake.
        assert!(problems.lines().all(|line| line.contains(": ignored: ")), "{}: {problems}", path.display());
        // Samples that use a pool have only objects of other kinds.
        assert_eq!(!manifest.objects.is_empty(), text.contains("kind: Entropy"), "{}", path.display());
    }
}

const POOL: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: default}\nspec: {}\n";
const CLASS: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {name: gold}\nspec: {pool: default}\n";

fn only(text: &str) -> Object {
    let manifest = parse("one.yaml", text);
    assert_eq!(messages(&manifest), "");
    assert_eq!(manifest.objects.len(), 1);
    manifest.objects.into_iter().next().unwrap().object
}

#[test]
fn an_empty_spec_has_every_default() {
    let Object::Pool(pool) = only(POOL) else { panic!("not a pool") };
    assert_eq!(pool.spec, EntropyPoolSpec::default());
    assert!(pool.spec.sources[0].kernel.is_some());
}

#[test]
fn a_class_requires_only_its_pool() {
    let Object::Class(class) = only(CLASS) else { panic!("not a class") };
    assert_eq!(class.spec, EntropyClassSpec::new("default"));
}

#[test]
fn every_field_is_read() {
    let manifest = parse("contract.yaml", include_str!("contract.yaml"));
    assert_eq!(messages(&manifest), "");
    let Object::Pool(pool) = &manifest.objects[0].object else { panic!("not a pool") };
    let source = &pool.spec.sources[0];
    assert_eq!(source.kind(), Some(api::SourceKind::Device("/dev/hwrng")));
    assert!(!source.credits_nested());
    assert_eq!(source.min_entropy_per_byte.as_ref().unwrap().thousandths(), 6000);
    let Object::Class(class) = &manifest.objects[1].object else { panic!("not a class") };
    assert_eq!(class.spec.per_vm.rate.as_ref().unwrap().to_string(), "1Ki/s");
    assert_eq!(class.spec.per_namespace.max_vms, Some(10));
    assert_eq!(class.spec.max_vms, Some(40));
}

#[test]
fn objects_survive_a_round_trip() {
    for located in parse("contract.yaml", include_str!("contract.yaml")).objects {
        let text = match &located.object {
            Object::Pool(pool) => serde_yaml::to_string(pool).unwrap(),
            Object::Class(class) => serde_yaml::to_string(class).unwrap(),
        };
        assert_eq!(only(&text), located.object);
    }
}

#[test]
fn documents_keep_their_lines() {
    let text = format!("# a comment\n---\n{POOL}---\n# another\n{CLASS}---\n\n--- # nothing\n");
    let lines: Vec<u32> =
        parse("all.yaml", &text).objects.iter().map(|located| located.location.line).collect();
    assert_eq!(lines, [3, 9]);
}

#[test]
fn byte_order_marks_and_crlf_are_accepted() {
    only(&format!("\u{feff}---\r\n{}", POOL.replace('\n', "\r\n")));
}

#[test]
fn null_means_absent() {
    let text = CLASS.replace("{pool: default}", "{pool: default, rate: null, prio: ~, perVM: }");
    let Object::Class(class) = only(&text) else { panic!("not a class") };
    assert_eq!(class.spec, EntropyClassSpec::new("default"));
}

#[test]
fn fields_that_a_cluster_writes_are_dropped() {
    let text =
        POOL.replace("{name: default}", "{name: default, uid: abc, generation: 7, resourceVersion: \"9\"}");
    let text = format!("{text}status: {{accepted: {{generation: 7, spec: {{rate: 1/s}}}}}}\n");
    let Object::Pool(pool) = only(&text) else { panic!("not a pool") };
    assert!(pool.status.is_none() && pool.metadata.generation.is_none() && pool.metadata.uid.is_none());
}

#[test]
fn a_list_is_read_as_its_items() {
    let item = |text: &str| format!("- {}", text.trim_end().replace('\n', "\n  "));
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}\n{}\n", item(POOL), item(CLASS));
    let manifest = parse("list.yaml", &text);
    assert_eq!(messages(&manifest), "");
    assert_eq!(manifest.objects.len(), 2);
}

#[test]
fn other_kinds_are_ignored() {
    let manifest = parse("mixed.yaml", &format!("apiVersion: v1\nkind: ConfigMap\n---\n{POOL}"));
    assert_eq!((manifest.objects.len(), manifest.problems.len(), manifest.ignored.len()), (1, 0, 1));
}

#[test]
fn duplicate_objects_name_both_locations() {
    let other = CLASS.replace("{pool: default}", "{pool: default, rate: 1/s, weight: 5}");
    let manifest = merge([parse("a.yaml", CLASS), parse("b.yaml", &other), parse("c.yaml", CLASS)]);
    insta::assert_snapshot!(messages(&manifest));
}

#[test]
fn an_invalid_document_does_not_hide_the_next() {
    let text = format!("{POOL}---\nspec: [\n---\n{}", CLASS.replace("default", "Default!"));
    let manifest = parse("broken.yaml", &text);
    assert_eq!((manifest.objects.len(), manifest.problems.len()), (1, 2));
    assert_eq!(manifest.problems[1].line, Some(11));
}

#[test]
fn the_pool_of_a_class_cannot_be_changed() {
    let old = only(CLASS);
    let moved = parse("moved.yaml", &CLASS.replace("pool: default", "pool: other")).objects.remove(0);
    insta::assert_snapshot!(transition(&old, &moved)[0]);
    let same =
        parse("same.yaml", &CLASS.replace("pool: default", "pool: default, rate: 1/s")).objects.remove(0);
    assert_eq!(transition(&old, &same), []);
}

#[test]
fn documents_that_are_expensive_to_parse_are_rejected() {
    let bomb = (1..30).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |mut text, i| {
        let before = format!("*a{}, ", i - 1).repeat(9);
        writeln!(text, "a{i}: &a{i} [{before}]").unwrap();
        text
    });
    for text in
        [bomb, "[".repeat(100_000), "- ".repeat(100_000), " ".repeat(9 << 20), "--- [\n".repeat(5_000)]
    {
        assert!(!parse("heavy.yaml", &text).problems.is_empty());
    }
}

#[test]
fn numbers_of_any_size_are_rejected() {
    for number in ["99999999999999999999", "1e400", "-9223372036854775809", "0x1p3", ".inf", ".nan", "-1"] {
        let text = CLASS.replace("{pool: default}", &format!("{{pool: default, weight: {number}}}"));
        assert_eq!(parse("number.yaml", &text).problems.len(), 1, "{number}");
    }
}

proptest! {
    #[test]
    fn garbage_is_rejected_without_a_panic(text in "\\PC{0,200}") {
        let manifest = parse("garbage.yaml", &text);
        prop_assert!(manifest.objects.is_empty());
    }

    #[test]
    fn damaged_manifests_do_not_panic(cut in 0..900usize, length in 0..40usize, put in "[-:{}\\[\\]&*!|>'\"%@`#,?~ \t\n0a]{0,6}") {
        let mut text = include_str!("contract.yaml").to_owned();
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let (start, end) = (boundary(cut), boundary(cut + length));
        text.replace_range(start..end, &put);
        for problem in merge([parse("damaged.yaml", &text)]).problems {
            prop_assert!(!problem.to_string().is_empty());
        }
    }
}

#[test]
fn thousands_of_classes_are_read_quickly() {
    let text = (0..2_000).map(|i| CLASS.replace("gold", &format!("c{i}"))).collect::<Vec<_>>().join("---\n");
    let manifest = merge([parse("many.yaml", &text)]);
    assert_eq!((manifest.objects.len(), manifest.problems.len()), (2_000, 0));
}
