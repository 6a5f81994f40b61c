#![allow(clippy::unwrap_used)]

use serde::Serialize;

use crate::render::samples;

fn document(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn documents_are_as_programs_know_them() {
    let tree = samples::tree();
    insta::assert_snapshot!("pool", document(&tree.pools[0]));
    insta::assert_snapshot!("class", document(&tree.classes[2]));
    insta::assert_snapshot!("vm", document(&tree.vms[1]));
    insta::assert_snapshot!("source", document(&samples::sources()[2]));
    insta::assert_snapshot!("explanation", document(&samples::explanation()));
}
