//! Manifests: what is read, and what every kind of mistake is told.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use api::manifest::{Manifest, Object, merge, parse, transition};
use api::{EntropyClassSpec, EntropyPoolSpec};
use proptest::prelude::*;

/// Each file of `tests/bad` with what is said of it. The table is what users see: read it when it changes.
#[test]
fn every_mistake_gets_its_sentence() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut table = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let manifest = merge([parse(name, &std::fs::read_to_string(&file).unwrap())]);
        assert!(!manifest.problems.is_empty(), "{name} has no problem");
        table.push_str(&said(&manifest));
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

fn said(manifest: &Manifest) -> String {
    manifest.problems.iter().chain(&manifest.ignored).fold(String::new(), |mut table, problem| {
        writeln!(table, "{problem}").unwrap();
        table
    })
}

#[test]
fn samples_are_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples");
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest = merge([parse("sample", &text)]);
        let sentences = said(&manifest);
        // What other kinds are is left to others; everything else that is said would be a mistake.
        assert!(
            sentences.lines().all(|line| line.contains(": ignored: ")),
            "{}: {sentences}",
            path.display()
        );
        // A sample of what uses a pool has objects of other kinds alone.
        assert_eq!(!manifest.objects.is_empty(), text.contains("kind: Entropy"), "{}", path.display());
    }
}

const POOL: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: default}\nspec: {}\n";
const CLASS: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {name: gold}\nspec: {pool: default}\n";

fn only(text: &str) -> Object {
    let manifest = parse("one.yaml", text);
    assert_eq!(said(&manifest), "");
    assert_eq!(manifest.objects.len(), 1);
    manifest.objects.into_iter().next().unwrap().object
}

#[test]
fn an_empty_spec_is_a_pool_with_every_default() {
    let Object::Pool(pool) = only(POOL) else { panic!("not a pool") };
    assert_eq!(pool.spec, EntropyPoolSpec::default());
    assert!(pool.spec.sources[0].kernel.is_some());
}

#[test]
fn a_class_needs_its_pool_alone() {
    let Object::Class(class) = only(CLASS) else { panic!("not a class") };
    assert_eq!(class.spec, EntropyClassSpec::of("default"));
}

#[test]
fn the_whole_contract_is_read() {
    let manifest = parse("contract.yaml", include_str!("contract.yaml"));
    assert_eq!(said(&manifest), "");
    let Object::Pool(pool) = &manifest.objects[0].object else { panic!("not a pool") };
    let source = &pool.spec.sources[0];
    assert_eq!(source.kind(), Some(api::SourceKind::Device("/dev/hwrng")));
    assert_eq!(source.min_entropy_per_byte.as_ref().unwrap().tenths(), 60);
    let Object::Class(class) = &manifest.objects[1].object else { panic!("not a class") };
    assert_eq!(class.spec.per_vm.rate.as_ref().unwrap().to_string(), "1Ki/s");
    assert_eq!(class.spec.per_namespace.max_vms, Some(10));
    assert_eq!(class.spec.max_vms, Some(40));
}

#[test]
fn what_is_read_can_be_written_and_read_again() {
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
    let lines: Vec<u32> = parse("all.yaml", &text).objects.iter().map(|located| located.place.line).collect();
    assert_eq!(lines, [3, 9]);
}

#[test]
fn a_mark_of_byte_order_and_windows_lines_are_no_mistake() {
    only(&format!("\u{feff}---\r\n{}", POOL.replace('\n', "\r\n")));
}

#[test]
fn null_means_left_out() {
    let text = CLASS.replace("{pool: default}", "{pool: default, rate: null, prio: ~, perVM: }");
    let Object::Class(class) = only(&text) else { panic!("not a class") };
    assert_eq!(class.spec, EntropyClassSpec::of("default"));
}

#[test]
fn what_a_cluster_wrote_is_dropped() {
    let text =
        POOL.replace("{name: default}", "{name: default, uid: abc, generation: 7, resourceVersion: \"9\"}");
    let text = format!("{text}status: {{accepted: {{generation: 7, spec: {{rate: 1/s}}}}}}\n");
    let Object::Pool(pool) = only(&text) else { panic!("not a pool") };
    assert!(pool.status.is_none() && pool.metadata.generation.is_none() && pool.metadata.uid.is_none());
}

#[test]
fn a_list_is_its_items() {
    let item = |text: &str| format!("- {}", text.trim_end().replace('\n', "\n  "));
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}\n{}\n", item(POOL), item(CLASS));
    let manifest = parse("list.yaml", &text);
    assert_eq!(said(&manifest), "");
    assert_eq!(manifest.objects.len(), 2);
}

#[test]
fn other_kinds_are_left_to_others() {
    let manifest = parse("mixed.yaml", &format!("apiVersion: v1\nkind: ConfigMap\n---\n{POOL}"));
    assert_eq!((manifest.objects.len(), manifest.problems.len(), manifest.ignored.len()), (1, 0, 1));
}

#[test]
fn an_object_in_two_files_names_both() {
    let other = CLASS.replace("{pool: default}", "{pool: default, rate: 1/s, weight: 5}");
    let manifest = merge([parse("a.yaml", CLASS), parse("b.yaml", &other), parse("c.yaml", CLASS)]);
    insta::assert_snapshot!(said(&manifest));
}

#[test]
fn a_broken_document_hides_no_other() {
    let text = format!("{POOL}---\nspec: [\n---\n{}", CLASS.replace("default", "Default!"));
    let manifest = parse("broken.yaml", &text);
    assert_eq!((manifest.objects.len(), manifest.problems.len()), (1, 2));
    assert_eq!(manifest.problems[1].line, Some(11));
}

#[test]
fn a_class_stays_in_its_pool() {
    let old = only(CLASS);
    let moved = parse("moved.yaml", &CLASS.replace("pool: default", "pool: other")).objects.remove(0);
    insta::assert_snapshot!(transition(&old, &moved)[0]);
    let same =
        parse("same.yaml", &CLASS.replace("pool: default", "pool: default, rate: 1/s")).objects.remove(0);
    assert_eq!(transition(&old, &same), []);
}

#[test]
fn what_would_tie_up_a_reader_is_refused() {
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
fn no_number_is_too_large_to_be_refused() {
    for number in ["99999999999999999999", "1e400", "-9223372036854775809", "0x1p3", ".inf", ".nan", "-1"] {
        let text = CLASS.replace("{pool: default}", &format!("{{pool: default, weight: {number}}}"));
        assert_eq!(parse("number.yaml", &text).problems.len(), 1, "{number}");
    }
}

proptest! {
    #[test]
    fn garbage_is_refused_and_nothing_worse(text in "\\PC{0,200}") {
        let manifest = parse("garbage.yaml", &text);
        prop_assert!(manifest.objects.is_empty());
    }

    #[test]
    fn no_damage_to_a_manifest_panics(cut in 0..900usize, length in 0..40usize, put in "[-:{}\\[\\]&*!|>'\"%@`#,?~ \t\n0a]{0,6}") {
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
fn thousands_of_classes_are_read_at_once() {
    let text = (0..2_000).map(|i| CLASS.replace("gold", &format!("c{i}"))).collect::<Vec<_>>().join("---\n");
    let manifest = merge([parse("many.yaml", &text)]);
    assert_eq!((manifest.objects.len(), manifest.problems.len()), (2_000, 0));
}
