//! What the program finds in small trees that are made for it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use structure::{Circle, Figures};
use tempfile::TempDir;

/// A workspace of one crate, `agent/thing`, with these files in its `src`.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"agent/thing\"]\n");
    write(
        "agent/thing/Cargo.toml",
        "[package]\nname = \"our-thing\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    for (path, text) in files {
        write(&format!("agent/thing/src/{path}"), text);
    }
    root
}

fn measure(root: &Path) -> Figures {
    Figures::measure(root).unwrap()
}

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let root = tree(files);
    let strip = |path: &String| path.trim_start_matches("agent/thing/src/").to_owned();
    let of = |circle: &Circle| circle.files.iter().map(strip).collect();
    measure(root.path()).circles.iter().map(of).collect()
}

#[test]
fn a_circle_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "use crate::c::C;\npub struct B(C);"),
        ("c.rs", "pub struct C;\nimpl C { fn a(&self) -> Option<crate::a::A> { None } }"),
    ]);
    assert_eq!(found, [["a.rs", "b.rs", "c.rs"]]);
}

#[test]
fn a_chain_is_no_circle() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\npub use a::A;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_name_is_followed_through_reexports_to_the_file_that_defines_it() {
    // Through the root, `self`, another name and a glob; and the files that hand it on are in no circle.
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;\nmod hands;\npub use hands::*;"),
        ("hands/mod.rs", "mod deep;\npub use self::deep::Deep as Other;\npub use self::deep::act;"),
        ("hands/deep.rs", "pub struct Deep(crate::a::A);\npub fn act() {}"),
        ("a.rs", "use super::Other;\npub struct A(Option<Box<Other>>);"),
        ("b.rs", "use crate::hands;\nfn b() { hands::act() }"),
    ]);
    assert_eq!(found, [["a.rs", "hands/deep.rs"]]);
}

#[test]
fn names_in_macros_and_globs_count() {
    let found = circles(&[
        ("lib.rs", "mod a;\nmod b;"),
        ("a.rs", "pub const A: u8 = 1;\nfn a() { assert!(crate::b::is_b(), \"no\") }"),
        ("b.rs", "use super::a::*;\npub fn is_b() -> bool { A == 1 }"),
    ]);
    assert_eq!(found, [["a.rs", "b.rs"]]);
}

#[test]
fn a_circle_through_the_module_above_is_told_from_others() {
    let root = tree(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod low;\npub struct Shared;\nfn run() { low::run() }"),
        ("a/low.rs", "use super::Shared;\npub fn run() { let _ = Shared; }"),
    ]);
    let circles = measure(root.path()).circles;
    assert!(circles.len() == 1 && circles[0].is_nested, "{circles:?}");
    assert_eq!(circles[0].to_string().lines().count(), 3);
}

#[test]
fn tests_and_what_only_they_use_are_not_counted() {
    let root = tree(&[(
        "lib.rs",
        "//! A library.\n\npub fn one() {\n    two()\n}\n\nfn two() {}\n#[cfg(any(test, feature = \"fake\"))]\nmod fake;\n\
         #[cfg(test)]\nmod tests {\n    #[test]\n    fn works() {}\n}\n",
    )]);
    let figures = measure(root.path());
    assert_eq!((figures.lines, figures.silent, figures.files.count), (7, 3, 1));
    assert_eq!((figures.functions.count, figures.functions.max), (2, 3));
}

#[test]
fn a_name_of_two_types_is_repeated() {
    let root = tree(&[
        ("lib.rs", "mod a;\nmod b;\npub trait Way { type Kind; }"),
        ("a.rs", "pub struct Kind;\npub struct Alone;"),
        ("b.rs", "pub enum Kind { One }\nimpl crate::Way for Kind { type Kind = u8; }"),
    ]);
    let figures = measure(root.path());
    assert_eq!(figures.type_names, 3);
    let [repeated] = &figures.repeated_in_a_crate[..] else { panic!("{:?}", figures.repeated_in_a_crate) };
    assert_eq!((repeated.files.len(), figures.repeated.len()), (2, 1));
}

#[test]
fn conversions_to_and_from_messages_are_translation() {
    let root = tree(&[
        ("lib.rs", "mod answer;\nmod edge;\nmod render;"),
        ("answer.rs", "// All of it.\n"),
        (
            "edge.rs",
            "use proto::local as wire;\nstruct Vm;\n\
             impl From<wire::Vm> for Vm {\n    fn from(_: wire::Vm) -> Self {\n        Vm\n    }\n}\n\
             fn list(vms: &[Vm]) -> Result<Vec<wire::Vm>, String> {\n    todo!()\n}\n\
             async fn ask(vm: Vm) -> wire::Vm {\n    todo!()\n}\n\
             fn both(asked: wire::Asked) -> wire::Vm {\n    todo!()\n}\n\
             fn plain(vm: Vm) -> Vm {\n    vm\n}\n",
        ),
        ("render.rs", "pub struct Row;\nfn row(vm: &proto::local::Vm) -> Row {\n    Row\n}\n"),
    ]);
    let found = measure(root.path()).translation;
    let of = |at: usize| (found[at].lines, found[at].functions.join(" "));
    assert_eq!((of(0), of(1)), ((1, String::new()), (6, "from:4 list:8".to_owned())));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn what_is_no_rust_is_named_with_its_place() {
    let root = tree(&[("lib.rs", "fn one() {}\nfn two( {}")]);
    let error = Figures::measure(root.path()).unwrap_err().to_string();
    assert!(error.starts_with("agent/thing/src/lib.rs:2:"), "{error}");
}
