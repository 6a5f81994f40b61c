//! What is wrong with a manifest, and where.

use std::fmt;

/// Where a document stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as its reader called it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// One thing that is wrong with a manifest. Shown as a line:
/// `pools.yaml:12: EntropyClass gold: spec.rate: "64K/s": "K" could be 1000 or 1024: write …`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as its reader called it.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<u32>,
    /// Kind and name of the object, as far as they could be read.
    pub object: Option<String>,
    /// The field, as `spec.sources[0].device.path`.
    pub field: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem of a whole file: it cannot be read, is no text, is too large.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
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
