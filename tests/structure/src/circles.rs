//! Files of one crate that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{Code, FileId, Module, Name};
use crate::resolve::Meaning;

/// What a file takes from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The file that imports.
    pub from: String,
    /// The file that defines.
    pub to: String,
    /// The names, as the second defines them.
    pub names: Vec<String>,
}

/// Files each of which imports, by way of the others, itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The package it is in.
    pub package: String,
    /// Its files, from the root of the workspace.
    pub files: Vec<String>,
    /// All imports between them.
    pub edges: Vec<Edge>,
    /// Whether it is no circle without what submodules take from the files of the modules that they are in.
    pub is_nested: bool,
}

/// For each file what it takes from which other file of its crate.
type Graph = BTreeMap<FileId, BTreeMap<FileId, Taken>>;

#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    /// From the file of a module that the importing one is in.
    from_parent: bool,
}

pub(crate) fn circles(code: &Code) -> Vec<Circle> {
    let graph = graph(code);
    let whole = components(&graph, |_| true);
    let flat = components(&graph, |taken| !taken.from_parent);
    let mut circles: Vec<_> = whole.iter().map(|files| circle(code, &graph, files, &flat)).collect();
    circles.sort_by(|one, other| one.files.cmp(&other.files));
    circles
}

fn circle(code: &Code, graph: &Graph, files: &BTreeSet<FileId>, flat: &[BTreeSet<FileId>]) -> Circle {
    let path = |file: &FileId| code.files[*file].path.clone();
    let mut edges = Vec::new();
    for (from, to) in files.iter().filter_map(|from| Some((from, graph.get(from)?))) {
        for (to, taken) in to.iter().filter(|(to, _)| files.contains(to)) {
            edges.push(Edge { from: path(from), to: path(to), names: taken.names.iter().cloned().collect() });
        }
    }
    edges.sort_by(|one, other| (&one.from, &one.to).cmp(&(&other.from, &other.to)));
    let package = files.first().map_or(0, |file| code.files[*file].package);
    let is_nested = flat.iter().all(|circle| !circle.is_subset(files));
    let mut files: Vec<_> = files.iter().map(path).collect();
    files.sort();
    Circle { package: code.packages[package].name.clone(), files, edges, is_nested }
}

fn graph(code: &Code) -> Graph {
    let mut graph = Graph::new();
    for (id, module) in code.modules.iter().enumerate() {
        // What is only handed on is used by others.
        let imported = module.imports.iter().filter(|import| !import.is_reexport).map(|import| &import.path);
        let is_path = |name: &&Name| name.segments.len() > 1 || is_unseen(module, &name.segments);
        for name in imported.chain(module.mentions.iter().filter(is_path)) {
            for meaning in code.meanings(id, name) {
                if let Meaning::Item(file, item) = meaning
                    && file != module.file
                {
                    let taken = graph.entry(module.file).or_default().entry(file).or_default();
                    taken.names.insert(item);
                    taken.from_parent = code.parents(id).any(|parent| code.modules[parent].file == file);
                }
            }
        }
    }
    graph
}

/// Whether a bare name may stand for something of another file that no import of the module has counted already.
fn is_unseen(module: &Module, segments: &[String]) -> bool {
    let [name] = segments else { return false };
    let imported =
        |name| module.imports.iter().any(|import| import.name.as_ref() == Some(name) && !import.is_reexport);
    !module.items.contains(name) && !imported(name)
}

/// The strongly connected components of more than one file, by Tarjan's algorithm, over the imports that count.
fn components(graph: &Graph, counts: fn(&Taken) -> bool) -> Vec<BTreeSet<FileId>> {
    let mut search = Search { graph, counts, seen: BTreeMap::new(), stack: Vec::new(), found: Vec::new() };
    for file in graph.keys() {
        if !search.seen.contains_key(file) {
            search.visit(*file);
        }
    }
    search.found.retain(|files| files.len() > 1);
    search.found
}

struct Search<'g> {
    graph: &'g Graph,
    counts: fn(&Taken) -> bool,
    /// In which order a file was reached.
    seen: BTreeMap<FileId, usize>,
    stack: Vec<FileId>,
    found: Vec<BTreeSet<FileId>>,
}

impl Search<'_> {
    /// The earliest file on the stack that is reached from this one.
    fn visit(&mut self, file: FileId) -> usize {
        let order = self.seen.len();
        self.seen.insert(file, order);
        self.stack.push(file);
        let mut earliest = order;
        let (graph, counts) = (self.graph, self.counts);
        for (next, _) in graph.get(&file).into_iter().flatten().filter(|(_, taken)| counts(taken)) {
            let reached = match self.seen.get(next) {
                None => self.visit(*next),
                Some(seen) if self.stack.contains(next) => *seen,
                Some(_) => continue,
            };
            earliest = earliest.min(reached);
        }
        if earliest == order {
            let from = self.stack.iter().position(|on| *on == file).unwrap_or_default();
            self.found.push(self.stack.drain(from..).collect());
        }
        earliest
    }
}
