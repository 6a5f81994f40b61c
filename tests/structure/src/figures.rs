//! All figures of a tree.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::circles::{Circle, circles};
use crate::code::Code;
use crate::journeys::{Journey, journeys};
use crate::translation::{Translation, translation};

/// Figures of the production code of one workspace.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Lines, blank ones and comments included.
    pub lines: usize,
    /// Of these, the lines that are blank or a comment.
    pub silent: usize,
    /// Lines per file.
    pub files: Distribution,
    /// Lines per function.
    pub functions: Distribution,
    /// Module circles inside a crate.
    pub circles: Vec<Circle>,
    /// Names of types.
    pub type_names: usize,
    /// Type names that one crate uses more than once.
    pub repeated_in_a_crate: Vec<Repeated>,
    /// Type names that the workspace uses more than once.
    pub repeated: Vec<Repeated>,
    /// Lines that only translate.
    pub translation: Vec<Translation>,
    /// Files that a request, a configuration and an attach cross.
    pub journeys: Vec<Journey>,
}

/// A name of several types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The name.
    pub name: String,
    /// The files that define one each.
    pub files: Vec<String>,
}

/// Sizes, by nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many.
    pub count: usize,
    /// Half are not larger.
    pub median: usize,
    /// Of ten, nine are not larger.
    pub p90: usize,
    /// Of a hundred, 99 are not larger.
    pub p99: usize,
    /// The largest.
    pub max: usize,
}

impl Figures {
    /// Reads the workspace at `root`.
    pub fn measure(root: &Path) -> Result<Self> {
        let code = Code::read(root)?;
        let by_crate = |package: usize, name: &str| format!("{} {name}", code.packages[package].name);
        let functions = code.files.iter().flat_map(|file| &file.functions).map(|function| function.lines);
        Ok(Self {
            lines: code.files.iter().map(|file| file.lines).sum(),
            silent: code.files.iter().map(|file| file.silent).sum(),
            files: Distribution::of(code.files.iter().map(|file| file.lines)),
            functions: Distribution::of(functions),
            circles: circles(&code),
            type_names: type_names(&code, |_, name| name.to_owned()).len(),
            repeated_in_a_crate: repeated(type_names(&code, by_crate)),
            repeated: repeated(type_names(&code, |_, name| name.to_owned())),
            translation: translation(&code),
            journeys: journeys(&code.root).context("docs/architecture.md cannot be read")?,
        })
    }

    /// Files per 1,000 lines, in tenths.
    fn files_per_thousand(&self) -> String {
        let tenths = (self.files.count * 10_000 + self.lines / 2).checked_div(self.lines).unwrap_or_default();
        format!("{}.{}", tenths / 10, tenths % 10)
    }

    fn translated(&self) -> usize {
        self.translation.iter().map(|of| of.lines).sum()
    }

    /// All of it, with every list.
    pub fn to_json(&self) -> Value {
        let repeated = |names: &[Repeated]| {
            names.iter().map(|of| json!({ "name": of.name, "files": of.files })).collect::<Vec<_>>()
        };
        let circles = self.circles.iter().map(|circle| {
            let edge = |edge: &crate::Edge| json!({ "from": edge.from, "to": edge.to, "names": edge.names });
            let edges: Vec<_> = circle.edges.iter().map(edge).collect();
            json!({ "package": circle.package, "files": circle.files, "nested": circle.is_nested, "imports": edges })
        });
        let translation = self.translation.iter();
        let translation =
            translation.map(|of| json!({ "file": of.file, "lines": of.lines, "functions": of.functions }));
        let journeys = self.journeys.iter().map(|of| json!({ "name": of.name, "files": of.files }));
        json!({
            "lines": self.lines,
            "blankOrCommentLines": self.silent,
            "files": self.files.count,
            "filesPerThousandLines": self.files_per_thousand(),
            "linesPerFile": self.files.to_json(),
            "functions": self.functions.count,
            "linesPerFunction": self.functions.to_json(),
            "moduleCircles": circles.collect::<Vec<_>>(),
            "typeNames": self.type_names,
            "typeNamesRepeatedInACrate": repeated(&self.repeated_in_a_crate),
            "typeNamesRepeatedInTheWorkspace": repeated(&self.repeated),
            "translationLines": self.translated(),
            "translation": translation.collect::<Vec<_>>(),
            "journeys": journeys.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |what: &str, figure: &dyn fmt::Display| writeln!(f, "{what:<50}  {figure}");
        row("production lines", &self.lines)?;
        row("  of these blank or a comment", &self.silent)?;
        row("files", &self.files.count)?;
        row("files per 1,000 lines", &self.files_per_thousand())?;
        row("lines per file", &self.files)?;
        row("functions", &self.functions.count)?;
        row("lines per function", &self.functions)?;
        row("module circles inside a crate", &self.circles.len())?;
        let nested = self.circles.iter().filter(|circle| circle.is_nested).count();
        row("  of these only by what submodules take from above", &nested)?;
        row("type names", &self.type_names)?;
        row("  used more than once in a crate", &self.repeated_in_a_crate.len())?;
        row("  used more than once in the workspace", &self.repeated.len())?;
        row("lines that only translate", &self.translated())?;
        for journey in &self.journeys {
            row(&format!("files on the journey: {}", journey.name), &journey.files.len())?;
        }
        if self.journeys.is_empty() {
            row("files on journeys", &"docs/architecture.md has no section Journeys")?;
        }
        for circle in &self.circles {
            writeln!(f)?;
            write!(f, "{circle}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nested = if self.is_nested { ", by what submodules take from above" } else { "" };
        writeln!(f, "circle of {} files in {}{nested}:", self.files.len(), self.package)?;
        for edge in &self.edges {
            writeln!(f, "  {} -> {}: {}", edge.from, edge.to, edge.names.join(", "))?;
        }
        Ok(())
    }
}

impl Distribution {
    fn of(sizes: impl Iterator<Item = usize>) -> Self {
        let mut sizes: Vec<_> = sizes.collect();
        sizes.sort_unstable();
        let rank = |percent: usize| {
            let rank = (sizes.len() * percent).div_ceil(100).max(1);
            sizes.get(rank - 1).copied().unwrap_or_default()
        };
        Self { count: sizes.len(), median: rank(50), p90: rank(90), p99: rank(99), max: rank(100) }
    }

    fn to_json(self) -> Value {
        json!({ "median": self.median, "p90": self.p90, "p99": self.p99, "max": self.max })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {}, p90 {}, p99 {}, max {}", self.median, self.p90, self.p99, self.max)
    }
}

/// The files that define a type, by what `key` makes of its package and name.
fn type_names(code: &Code, key: impl Fn(usize, &str) -> String) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in &code.files {
        for name in &file.types {
            names.entry(key(file.package, name)).or_default().push(file.path.clone());
        }
    }
    names
}

fn repeated(names: BTreeMap<String, Vec<String>>) -> Vec<Repeated> {
    let several = names.into_iter().filter(|(_, files)| files.len() > 1);
    several.map(|(name, files)| Repeated { name, files }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let hundred = Distribution::of(1..=100);
        assert_eq!(hundred, Distribution { count: 100, median: 50, p90: 90, p99: 99, max: 100 });
        assert_eq!(Distribution::of([7].into_iter()).median, 7);
        assert_eq!(Distribution::of(std::iter::empty()), Distribution::default());
    }
}
