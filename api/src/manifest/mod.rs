//! Manifests as `kubectl apply` takes them: read, judged against the very schema a cluster gets, and returned
//! as objects with all defaults filled in.
//!
//! Every problem of every document comes at once, each with its place and what would be right. Nothing is
//! opened here: texts come in with the name of the file they were read from.

mod cel;
mod document;
mod merge;
mod messages;
mod metadata;
mod problem;
mod split;
mod suggest;
mod transition;
mod tree;
mod walk;
mod yaml;

pub use merge::merge;
pub use problem::{Location, Problem};

use crate::{EntropyClass, EntropyPool};

/// One object of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A pool.
    Pool(Box<EntropyPool>),
    /// A class.
    Class(Box<EntropyClass>),
}

/// An object, and where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The object, with the schema's defaults filled in. Of its metadata the name, the labels and the
    /// annotations are kept; a status in a manifest is not.
    pub object: Object,
    /// Where it was read.
    pub place: Location,
}

/// What one or more manifests hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The objects without a problem.
    pub objects: Vec<Located>,
    /// What is wrong. Nothing may be put into force while there is any.
    pub problems: Vec<Problem>,
    /// Documents of other kinds, which are left to others: worth a line, no reason to stop.
    pub ignored: Vec<Problem>,
    /// Every object that was named, sound or not, so that duplicates are seen.
    named: Vec<(String, Location)>,
}

impl Object {
    /// The kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pool(_) => "EntropyPool",
            Self::Class(_) => "EntropyClass",
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        let metadata = match self {
            Self::Pool(pool) => &pool.metadata,
            Self::Class(class) => &class.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// Kind and name, as "`EntropyClass gold`".
    pub fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }
}

/// Reads one manifest of any number of documents. `file` is what problems call it.
pub fn parse(file: &str, text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    if text.len() > split::MOST {
        let message = format!("{} bytes are more than the {} a manifest may have", text.len(), split::MOST);
        manifest.problems.push(Problem::of_file(file, message));
        return manifest;
    }
    for part in split::documents(text) {
        document::DocumentReader::ask(|judge| judge.read(file, &part, &mut manifest));
    }
    manifest.problems.sort_by_key(|problem| problem.line);
    manifest
}

/// What may not become of an object that is already in force: rules that compare it with what it was, as "a
/// class stays in its pool".
pub fn transition(old: &Object, new: &Located) -> Vec<Problem> {
    document::DocumentReader::ask(|judge| judge.transition(old, new))
}
