//! Manifests as `kubectl apply` takes them: parsed, validated against the same schema as in a cluster, and returned as
//! objects with all defaults filled in. All problems of all documents are reported at once, each with its location
//! and what would be right. Nothing is opened here: the caller reads the files.

mod cel;
mod document;
mod merge;
mod messages;
mod metadata;
mod objects;
mod tree;
mod walk;
mod yaml;

pub use merge::merge;
pub use objects::{Located, Location, Manifest, Object, Problem};

use document::DocumentReader;

/// Reads a manifest of any number of documents. `file` is the name of the file in problems.
pub fn parse(file: &str, text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    if text.len() > yaml::MAX_BYTES {
        let message =
            format!("the file has {} bytes: at most {} bytes are allowed", text.len(), yaml::MAX_BYTES);
        manifest.problems.push(Problem::in_file(file, message));
        return manifest;
    }
    for part in yaml::documents(text) {
        DocumentReader::with(|reader| reader.read(file, &part, &mut manifest));
    }
    manifest.problems.sort_by_key(|problem| problem.line);
    manifest
}

/// Checks the rules that compare an object with its former state, such as that the pool of a class cannot be changed.
pub fn transition(old: &Object, new: &Located) -> Vec<Problem> {
    DocumentReader::with(|reader| reader.transition(old, new))
}
