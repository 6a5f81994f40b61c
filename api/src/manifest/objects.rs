//! The objects in manifests, and the problems with them.

use std::fmt;

use crate::{EntropyClass, EntropyPool};

#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    Pool(Box<EntropyPool>),
    Class(Box<EntropyClass>),
}

/// The location of a document. The line counts from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    pub file: String,
    pub line: u32,
}

/// An object and its location.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The object, with the schema's defaults. Of its metadata it has the name, the labels and the annotations; it has
    /// no status.
    pub object: Object,
    pub location: Location,
}

/// A problem with a manifest. It is displayed as a line:
/// `pools.yaml:12: EntropyClass gold: spec.rate: "64K/s": "K" is ambiguous: write …`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    pub line: Option<u32>,
    /// Kind and name of the object, as far as they are known.
    pub object: Option<String>,
    /// The path of the field, such as `spec.sources[0].device.path`.
    pub field: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The contents of one or more manifests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The objects without a problem.
    pub objects: Vec<Located>,
    /// If there are any, nothing of the manifest may be applied.
    pub problems: Vec<Problem>,
    /// Documents of other kinds. They cause a warning, not an error.
    pub ignored: Vec<Problem>,
    /// The titles of all objects, valid or not, to find duplicates.
    pub(super) titles: Vec<(String, Location)>,
}

impl Object {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pool(_) => "EntropyPool",
            Self::Class(_) => "EntropyClass",
        }
    }

    pub fn name(&self) -> &str {
        let metadata = match self {
            Self::Pool(pool) => &pool.metadata,
            Self::Class(class) => &class.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// Kind and name, such as "`EntropyClass gold`".
    pub fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }
}

impl Problem {
    /// A problem with a whole file: it cannot be read, is not text or is too large.
    pub fn in_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, object: None, field: None, message: message.into() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        for part in [&self.object, &self.field].into_iter().flatten() {
            write!(f, ": {part}")?;
        }
        write!(f, ": {}", self.message)
    }
}
