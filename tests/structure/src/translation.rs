//! Lines whose only job is to translate between a plain type and a message, or between the types of two crates.

use std::path::Path;

use crate::code::{Code, File, Function, Name};
use crate::resolve::Meaning;

/// Folders of these names translate as a whole.
const FOLDERS: [&str; 2] = ["codec", "view"];
/// Files of these names do as well.
const FILES: [&str; 4] = ["answer", "from_proto", "to_proto", "wire"];
/// What files and folders of these names make of a message is for people to read.
const PRINTERS: [&str; 5] = ["commands", "output", "print", "render", "top"];
/// The crate of the generated messages.
const MESSAGES: &str = "proto";

/// Lines of a file that only translate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The file.
    pub file: String,
    /// How many.
    pub lines: usize,
    /// The functions that they make up, as `name:line`; none where it is the whole file.
    pub functions: Vec<String>,
}

pub(crate) fn translation(code: &Code) -> Vec<Translation> {
    let mut found: Vec<_> =
        code.files.iter().map(|file| of_file(code, file)).filter(|of| of.lines > 0).collect();
    found.sort_by(|one, other| one.file.cmp(&other.file));
    found
}

fn of_file(code: &Code, file: &File) -> Translation {
    let path = Path::new(&file.path);
    if is_within(path.parent(), &FOLDERS) || is_within(path.file_stem().map(Path::new), &FILES) {
        return Translation { file: file.path.clone(), lines: file.lines, functions: Vec::new() };
    }
    let prints = is_within(Some(&path.with_extension("")), &PRINTERS);
    let is_one = |function: &&Function| translates(code, file.package, function, prints);
    let functions: Vec<_> = file.functions.iter().filter(is_one).collect();
    Translation {
        file: file.path.clone(),
        lines: functions.iter().map(|function| function.lines).sum(),
        functions: functions.iter().map(|function| format!("{}:{}", function.name, function.line)).collect(),
    }
}

fn is_within(path: Option<&Path>, names: &[&str]) -> bool {
    path.into_iter().flatten().any(|part| names.iter().any(|name| part == *name))
}

fn translates(code: &Code, package: usize, function: &Function, prints: bool) -> bool {
    let origins =
        |names: &[Name]| names.iter().filter_map(|name| origin(code, package, function, name)).collect();
    let (takes, gives): (Vec<_>, Vec<_>) = (origins(&function.takes), origins(&function.gives));
    let is_message = |origin: &Origin| matches!(origin, Origin::Message);
    let (takes_message, gives_message) = (takes.iter().any(is_message), gives.iter().any(is_message));
    let converts = matches!(function.of_trait.as_deref(), Some("From" | "TryFrom" | "Into" | "TryInto"));
    if function.is_async {
        false
    } else if takes_message != gives_message {
        gives_message || (!prints && !gives.is_empty())
    } else {
        converts && !takes_message && takes.iter().any(|taken| gives.iter().any(|given| taken != given))
    }
}

/// Where a type comes from: nothing for those of other people.
#[derive(PartialEq, Eq)]
enum Origin {
    Message,
    Package(usize),
}

fn origin(code: &Code, package: usize, function: &Function, name: &Name) -> Option<Origin> {
    code.meanings(function.module, name).into_iter().find_map(|meaning| match meaning {
        Meaning::Item(..) => Some(Origin::Package(package)),
        Meaning::Foreign(name) if name == MESSAGES => Some(Origin::Message),
        Meaning::Foreign(name) => code.package_named(&name).map(Origin::Package),
        Meaning::Module(_) => None,
    })
}
