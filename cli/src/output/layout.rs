//! How text is laid out: for the terminal that it is printed on.

use std::env;
use std::io::{self, IsTerminal};

use super::wrap::width;

/// The layout of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// All columns, and no line is wrapped.
    pub(crate) wide: bool,
    pub(crate) width: usize,
    pub(crate) color: bool,
}

/// How bad a value is, which its colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Warning,
    Error,
}

impl Layout {
    /// For tests, whatever they print to.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { wide: false, width: 80, color: false };
    #[cfg(test)]
    pub(crate) const WIDE: Self = Self { wide: true, ..Self::PLAIN };

    /// For standard output.
    pub(crate) fn here(wide: bool) -> Self {
        let says = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { wide, width: width(), color: io::stdout().is_terminal() && !says("NO_COLOR") && !dumb }
    }

    /// `text` in the colour of `severity`, if there is any.
    pub(crate) fn painted(&self, text: &str, severity: Option<Severity>) -> String {
        let code = match severity {
            Some(Severity::Warning) => "33",
            Some(Severity::Error) => "31",
            None => return text.to_owned(),
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
