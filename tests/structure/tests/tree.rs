//! What holds for the structure of this repository.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use structure::{Circle, Figures, journeys};

/// Module circles that there may be, each by its files. The list gets shorter; a reason stands beside what stays.
const ALLOWED: &[&[&str]] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn allowed(circle: &Circle) -> Option<usize> {
    ALLOWED.iter().position(|files| circle.files.iter().all(|file| files.contains(&file.as_str())))
}

#[test]
fn no_crate_has_a_module_circle_that_is_not_allowed() {
    let circles = Figures::measure(&root()).unwrap().circles;
    let new: Vec<_> =
        circles.iter().filter(|circle| allowed(circle).is_none()).map(ToString::to_string).collect();
    assert!(
        new.is_empty(),
        "files that import each other in a circle; move what ties them to a file below both:\n\n{}",
        new.join("\n")
    );
}

#[test]
fn each_circle_that_is_allowed_is_there() {
    let circles = Figures::measure(&root()).unwrap().circles;
    let found: Vec<_> = circles.iter().filter_map(allowed).collect();
    let gone: Vec<_> =
        (0..ALLOWED.len()).filter(|at| !found.contains(at)).map(|at| ALLOWED[at].join(", ")).collect();
    assert!(gone.is_empty(), "no circle any more; take them off the list in this test:\n{}", gone.join("\n"));
}

#[test]
fn each_file_on_a_journey_exists() {
    let journeys = journeys(&root()).unwrap();
    assert_eq!(journeys.len(), 3, "docs/architecture.md describes a request, a configuration and an attach");
    for journey in journeys {
        assert!(!journey.files.is_empty(), "the journey {} names no file", journey.name);
        let gone: Vec<_> =
            journey.files.iter().filter(|file| !root().join(file).is_file()).cloned().collect();
        assert!(gone.is_empty(), "the journey {} names what is no file: {}", journey.name, gone.join(", "));
    }
}
