//! Manifests on disk: which files there are, and what they say.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use api::manifest::{self, Manifest, Problem};

/// Serves kernel bytes to whoever is attached, with nothing assured.
const DEFAULT: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: default}\nspec: {}\n";

/// What a directory's file must end in to be a manifest.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads everything below `roots`; without any, one default pool.
pub(crate) fn read(roots: &[PathBuf]) -> Manifest {
    if roots.is_empty() {
        return manifest::parse("(built in)", DEFAULT);
    }
    manifest::merge(roots.iter().flat_map(|root| read_root(root)))
}

/// Whether a file of a directory of manifests is one of them. Hidden files are an editor's or a mount's own.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !hidden && EXTENSIONS.contains(&extension)
}

fn read_root(root: &Path) -> Vec<Manifest> {
    let files = if root.is_dir() { manifests_in(root) } else { Ok(vec![root.to_owned()]) };
    match files {
        Ok(files) if files.is_empty() => {
            vec![wrong(root, "no file here ends in .yaml, .yml or .json".to_owned())]
        }
        Ok(files) => files.iter().map(|file| read_file(file)).collect(),
        Err(error) => vec![wrong(root, format!("cannot read the directory: {error}"))],
    }
}

/// By name, so that a problem is told the same way each time.
fn manifests_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .filter(|path| path.as_ref().map_or(true, |path| is_manifest(path) && !path.is_dir()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn read_file(file: &Path) -> Manifest {
    match fs::read(file) {
        Err(error) => wrong(file, format!("cannot read the file: {error}")),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => manifest::parse(&file.to_string_lossy(), &text),
            Err(_) => wrong(file, "this is no text in UTF-8".to_owned()),
        },
    }
}

fn wrong(path: &Path, message: String) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.problems.push(Problem::in_file(path.to_string_lossy(), message));
    manifest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_files_there_is_one_default_pool() {
        let manifest = read(&[]);
        assert_eq!(manifest.problems, []);
        assert_eq!(manifest.objects[0].object.title(), "EntropyPool default");
    }

    #[test]
    fn a_directory_is_its_manifests_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", ".b.yaml.swp", "..data", "b.yaml~", "notes.txt", ".hidden.yaml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("deeper.yaml")).unwrap();
        let files = manifests_in(dir.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
    }

    #[test]
    fn what_cannot_be_read_is_a_problem_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.yaml"), b"\xff\xfe").unwrap();
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let roots = [dir.path().join("x.yaml"), dir.path().join("absent.yaml"), empty];
        let place = dir.path().to_str().unwrap();
        let said: Vec<String> =
            read(&roots).problems.iter().map(|problem| problem.to_string().replace(place, "DIR")).collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
