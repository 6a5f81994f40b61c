#![allow(clippy::unwrap_used)]

use proto::local::{ListClassesResponse, ListPoolsResponse, ListSourcesResponse, ListVmsResponse};
use serde::Serialize;

use super::samples;

fn json(response: &impl Serialize) -> String {
    serde_json::to_string_pretty(response).unwrap()
}

#[test]
fn responses_of_the_local_api_are_json_documents() {
    let tree = samples::tree();
    insta::assert_snapshot!("pools", json(&ListPoolsResponse { pools: tree.pools }));
    insta::assert_snapshot!("classes", json(&ListClassesResponse { classes: tree.classes[1..].to_vec() }));
    insta::assert_snapshot!("vms", json(&ListVmsResponse { vms: tree.vms[1..].to_vec() }));
    insta::assert_snapshot!(
        "sources",
        json(&ListSourcesResponse { sources: samples::sources(), unwritable: None })
    );
    insta::assert_snapshot!("explain", json(&samples::explanation()));
}
