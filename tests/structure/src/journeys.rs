//! The journeys that `docs/architecture.md` describes: which files a request, a configuration and an attach cross.

use std::path::Path;
use std::{fs, io};

/// The page, from the root of the workspace.
const PAGE: &str = "docs/architecture.md";
/// Its section; each heading one level below is a journey.
const SECTION: &str = "## Journeys";

/// What one thing crosses on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// Its heading.
    pub name: String,
    /// Each file it names, once, in the order in which they come.
    pub files: Vec<String>,
}

/// The journeys of the tree at `root`; none where there is no such page or section.
pub fn journeys(root: &Path) -> io::Result<Vec<Journey>> {
    match fs::read_to_string(root.join(PAGE)) {
        Ok(page) => Ok(of_page(&page)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn of_page(page: &str) -> Vec<Journey> {
    let section =
        page.lines().skip_while(|line| *line != SECTION).skip(1).take_while(|line| !line.starts_with("## "));
    let mut journeys: Vec<Journey> = Vec::new();
    for line in section {
        if let Some(name) = line.strip_prefix("### ") {
            journeys.push(Journey { name: name.to_owned(), files: Vec::new() });
        } else if let Some(journey) = journeys.last_mut() {
            // Every second part of a line stands between backquotes.
            for path in line.split('`').skip(1).step_by(2).filter(|part| is_file(part)) {
                if journey.files.iter().all(|known| known != path) {
                    journey.files.push(path.to_owned());
                }
            }
        }
    }
    journeys
}

fn is_file(part: &str) -> bool {
    part.contains('/') && Path::new(part).extension().is_some_and(|extension| extension == "rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_counts_each_file_once() {
        let page = "# A\n`a/b.rs`\n## Journeys\n### A byte\n1. `a/b.rs`: from `Foo` to `c/d.rs`.\n2. `a/b.rs` again.\n## B\n`x/y.rs`\n";
        let files = vec!["a/b.rs".to_owned(), "c/d.rs".to_owned()];
        assert_eq!(of_page(page), [Journey { name: "A byte".to_owned(), files }]);
    }
}
