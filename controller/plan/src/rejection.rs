//! The rules that objects break, as users read them.

use std::fmt;

use api::Reason;

/// One rule that an object breaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    pub kind: ObjectKind,
    pub name: String,
    /// The path of the field that breaks the rule: `spec.rate`.
    pub field: String,
    pub reason: Reason,
    /// What is wrong, with the figures, and what would be right.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    Pool,
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

/// All messages in one line, each with its field.
pub(crate) fn join_messages(rejections: &[Rejection]) -> String {
    let each = rejections.iter().map(|rejection| format!("{}: {}", rejection.field, rejection.message));
    each.collect::<Vec<_>>().join("; ")
}
