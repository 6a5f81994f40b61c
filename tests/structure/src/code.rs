//! Production code as data: files, the modules in them, and what each module defines, imports and mentions.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::metadata;
use crate::parse::Reader;

/// Index of a file in [`Code::files`].
pub(crate) type FileId = usize;
/// Index of a module in [`Code::modules`].
pub(crate) type ModuleId = usize;

/// The production code of a workspace.
pub(crate) struct Code {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
}

pub(crate) struct Package {
    pub(crate) name: String,
    /// Names by which code of other packages may call its library.
    pub(crate) aliases: Vec<String>,
}

pub(crate) struct File {
    /// From the root of the workspace.
    pub(crate) path: String,
    pub(crate) package: usize,
    /// Lines without those of tests, blank lines and comments included.
    pub(crate) lines: usize,
    /// Of these, the lines that are blank or a comment.
    pub(crate) silent: usize,
    pub(crate) functions: Vec<Function>,
    pub(crate) types: Vec<String>,
}

/// A module, in a file of its own or inside another's.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: FileId,
    /// Root module of the library or program that it belongs to.
    pub(crate) root: ModuleId,
    pub(crate) parent: Option<ModuleId>,
    pub(crate) children: BTreeMap<String, ModuleId>,
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) mentions: BTreeSet<Name>,
}

/// A path as it is written, without its generic arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) segments: Vec<String>,
    /// Begins with `::`.
    pub(crate) is_global: bool,
}

/// A leaf of a `use`.
pub(crate) struct Import {
    /// The name it gives; a glob gives none.
    pub(crate) name: Option<String>,
    pub(crate) path: Name,
    /// `pub use` in any of its forms.
    pub(crate) is_reexport: bool,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) module: ModuleId,
    pub(crate) line: usize,
    /// From `fn` to its closing brace.
    pub(crate) lines: usize,
    pub(crate) is_async: bool,
    /// Of the `impl` that it stands in: the last segment of the trait.
    pub(crate) of_trait: Option<String>,
    /// The types that its parameters name, with the receiver's.
    pub(crate) takes: Vec<Name>,
    /// The types that its result names, without an error's.
    pub(crate) gives: Vec<Name>,
}

impl Code {
    /// Reads the workspace at `root`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let root = root.canonicalize().with_context(|| format!("{} cannot be read", root.display()))?;
        let mut code = Self { packages: Vec::new(), files: Vec::new(), modules: Vec::new(), root };
        for package in metadata::packages(&code.root)? {
            let (name, aliases) = (package.name, package.aliases);
            code.packages.push(Package { name, aliases });
            for path in package.roots {
                Reader::new(&mut code).target(&path)?;
            }
        }
        Ok(code)
    }

    /// The modules that a module is in, the innermost first.
    pub(crate) fn parents(&self, module: ModuleId) -> impl Iterator<Item = ModuleId> + '_ {
        iter::successors(self.modules[module].parent, |parent| self.modules[*parent].parent)
    }

    /// The package that code elsewhere in the workspace calls by this name.
    pub(crate) fn package_named(&self, alias: &str) -> Option<usize> {
        self.packages.iter().position(|package| package.aliases.iter().any(|known| known == alias))
    }
}
