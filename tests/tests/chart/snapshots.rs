//! All that the chart renders, for five sets of values.

use super::{name, sets, text};

#[test]
fn what_is_rendered_is_what_was_reviewed() {
    for set in sets() {
        let all = text(&["--values", set.to_str().unwrap()]).unwrap();
        // Files that are in the tree as they are.
        let is_a_file = |document: &&str| {
            document.contains("\nkind: CustomResourceDefinition\n") || document.contains("-dashboard-")
        };
        let documents: Vec<_> = all.split("---\n").filter(|document| !is_a_file(document)).collect();
        insta::assert_snapshot!(name(&set), documents.join("---\n"));
    }
}
