//! What a path means: the file that defines it, through any number of re-exports.

use std::collections::BTreeSet;

use crate::code::{Code, FileId, Import, ModuleId, Name};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Something that this file defines: an item, or what belongs to one (a variant, an associated function).
    Item(FileId, String),
    Module(ModuleId),
    /// Something of the library that is called by this name.
    Foreign(String),
}

/// Names that are being looked up, so that imports which go round in a circle come to an end.
type Pending = BTreeSet<(ModuleId, String)>;

impl Code {
    /// All that a path in a module may mean; one name can be a module, a type and a function.
    pub(crate) fn meanings(&self, module: ModuleId, name: &Name) -> BTreeSet<Meaning> {
        self.follow(module, name, &mut Pending::new())
    }

    fn follow(&self, module: ModuleId, name: &Name, pending: &mut Pending) -> BTreeSet<Meaning> {
        let mut segments = name.segments.iter();
        let Some(first) = segments.next() else { return BTreeSet::new() };
        if name.is_global {
            return [Meaning::Foreign(first.clone())].into();
        }
        let root = self.modules[module].root;
        let mut found: BTreeSet<_> = match first.as_str() {
            "crate" => [Meaning::Module(root)].into(),
            "self" => [Meaning::Module(module)].into(),
            "super" => self.modules[module].parent.map(Meaning::Module).into_iter().collect(),
            _ => self.look_up(module, first, pending),
        };
        if found.is_empty() {
            found.insert(Meaning::Foreign(first.clone()));
        }
        for segment in segments {
            let step = |meaning: Meaning| match meaning {
                Meaning::Module(id) if segment == "super" => {
                    self.modules[id].parent.map(Meaning::Module).into_iter().collect()
                }
                Meaning::Module(id) => self.look_up(id, segment, pending),
                Meaning::Item(..) | Meaning::Foreign(_) => [meaning].into(),
            };
            found = found.into_iter().flat_map(step).collect();
        }
        found
    }

    /// What a module calls by this name.
    fn look_up(&self, module: ModuleId, name: &str, pending: &mut Pending) -> BTreeSet<Meaning> {
        let mut found = BTreeSet::new();
        if !pending.insert((module, name.to_owned())) {
            return found;
        }
        let this = &self.modules[module];
        found.extend(this.children.get(name).copied().map(Meaning::Module));
        if this.items.contains(name) {
            found.insert(Meaning::Item(this.file, name.to_owned()));
        }
        for import in this.imports.iter().filter(|import| import.name.as_deref() == Some(name)) {
            found.extend(self.follow(module, &import.path, pending));
        }
        if found.is_empty() {
            for glob in this.imports.iter().filter(|import| import.name.is_none()) {
                found.extend(self.through_glob(module, glob, name, pending));
            }
        }
        pending.remove(&(module, name.to_owned()));
        found
    }

    fn through_glob(
        &self,
        module: ModuleId,
        glob: &Import,
        name: &str,
        pending: &mut Pending,
    ) -> BTreeSet<Meaning> {
        let modules =
            self.follow(module, &glob.path, pending).into_iter().filter_map(|meaning| match meaning {
                Meaning::Module(id) => Some(id),
                Meaning::Item(..) | Meaning::Foreign(_) => None,
            });
        let modules: Vec<_> = modules.collect();
        modules.into_iter().flat_map(|id| self.look_up(id, name, pending)).collect()
    }
}
