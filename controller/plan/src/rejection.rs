//! Why an edit does not run, for a person.

use std::fmt;

use api::Reason;

/// One rule that an object breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// The kind of the object.
    pub kind: ObjectKind,
    /// The name of the object.
    pub name: String,
    /// The field that breaks the rule, from the object's root: `spec.rate`.
    pub field: String,
    /// The rule, in one word.
    pub reason: Reason,
    /// What is wrong, with the figures, and what would be right.
    pub message: String,
}

/// The two kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// `EntropyPool`.
    Pool,
    /// `EntropyClass`.
    Class,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool => "EntropyPool",
            Self::Class => "EntropyClass",
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}: {}", self.kind, self.name, self.field, self.message)
    }
}

/// All of them, each with its field.
pub(crate) fn sentences(refusals: &[Rejection]) -> String {
    let each = refusals.iter().map(|refusal| format!("{}: {}", refusal.field, refusal.message));
    each.collect::<Vec<_>>().join("; ")
}
