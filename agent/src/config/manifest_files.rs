//! The manifest files of a host: where they are, and how they are read.
//!
//! What is at a path is not ours: it may be a FIFO, a directory, or a sparse file of terabytes. Only regular files are
//! read, and no more of them than a manifest can have.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use api::manifest::{self, Manifest, Problem};
use rustix::fs::{Mode, OFlags, open};

/// Without manifests: one pool that serves kernel bytes and guarantees no rate.
const DEFAULT: &str =
    "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {name: default}\nspec: {}\n";
/// Stands for standard input.
const STANDARD_INPUT: &str = "-";
/// The longest file, and all of them together, in bytes: 10,000 classes have 3 MiB.
const MAX_FILE: u64 = 16 << 20;
const MAX_TOTAL: u64 = 64 << 20;
const OPEN_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// What a file in a directory of manifests must end in.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The manifests of a command line.
#[derive(Clone, Debug)]
pub(crate) struct ManifestFiles {
    /// Files and directories.
    roots: Vec<PathBuf>,
    /// What was read from standard input, if that is among them.
    input: Option<Result<String, String>>,
}

/// Identifies the contents of files without reading them.
pub(super) type Fingerprint = Vec<Option<(u64, u64, u64, i64, i64)>>;

/// Reads the manifests at or below `roots`, where `-` is standard input; without any, one default pool.
pub fn read_manifests(roots: &[PathBuf]) -> Manifest {
    let input = reads_standard_input(roots).then(|| read_text(io::stdin()));
    ManifestFiles::new(roots, input).read(|_| {})
}

/// Whether standard input is among `roots`.
pub(crate) fn reads_standard_input(roots: &[PathBuf]) -> bool {
    roots.iter().any(|root| is_standard_input(root))
}

fn is_standard_input(root: &Path) -> bool {
    root == Path::new(STANDARD_INPUT)
}

impl ManifestFiles {
    /// `input` is what standard input had, if it is among `roots`.
    pub(crate) fn new(roots: &[PathBuf], input: Option<Result<String, String>>) -> Self {
        Self { roots: roots.to_vec(), input }
    }

    /// The roots that are in the file system.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.roots.iter().filter(|root| !is_standard_input(root)).cloned().collect()
    }

    /// Reads everything, which takes as long as the file systems do. `at` is told of each path before it is opened.
    pub(crate) fn read(&self, at: impl Fn(&Path)) -> Manifest {
        if self.roots.is_empty() {
            return manifest::parse("(built in)", DEFAULT);
        }
        let mut left = MAX_TOTAL;
        manifest::merge(
            self.roots.iter().flat_map(|root| self.read_root(root, &at, &mut left)).collect::<Vec<_>>(),
        )
    }

    fn read_root(&self, root: &Path, at: &impl Fn(&Path), left: &mut u64) -> Vec<Manifest> {
        if is_standard_input(root) {
            let text = self.input.clone().unwrap_or_else(|| Err("it was not read".to_owned()));
            return vec![parse(Path::new("(standard input)"), text)];
        }
        at(root);
        let files = if root.is_dir() { manifests_in(root) } else { Ok(vec![root.to_owned()]) };
        match files {
            Ok(files) if files.is_empty() => {
                vec![unreadable(root, "no file here ends in .yaml, .yml or .json".to_owned())]
            }
            Ok(files) => files
                .iter()
                .map(|file| {
                    at(file);
                    parse(file, read_file(file, left))
                })
                .collect(),
            Err(error) => vec![unreadable(root, format!("cannot read the directory: {error}"))],
        }
    }

    /// Changes when the files do.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let of = |path: &PathBuf| {
            let found = fs::metadata(path).ok()?;
            Some((
                found.dev(),
                found.ino(),
                found.len(),
                found.mtime_nsec() + found.mtime() * 1_000_000_000,
                found.ctime(),
            ))
        };
        let roots = self.paths();
        let below =
            roots.iter().filter(|root| root.is_dir()).flat_map(|root| manifests_in(root).unwrap_or_default());
        let all: Vec<_> = below.chain(roots.iter().cloned()).collect();
        all.iter().map(of).collect()
    }
}

/// Whether a file in a directory of manifests is one. Hidden files belong to an editor or to a mount.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !hidden && EXTENSIONS.contains(&extension)
}

/// Sorted by name, so that problems are reported in the same order each time.
fn manifests_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .filter(|path| path.as_ref().map_or(true, |path| is_manifest(path) && !path.is_dir()))
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn parse(path: &Path, text: Result<String, String>) -> Manifest {
    match text {
        Ok(text) => manifest::parse(&path.to_string_lossy(), &text),
        Err(message) => unreadable(path, message),
    }
}

fn read_file(path: &Path, left: &mut u64) -> Result<String, String> {
    let failed = |error: io::Error| format!("cannot read the file: {error}");
    let file = open(path, OPEN_FLAGS, Mode::empty()).map(File::from).map_err(|errno| failed(errno.into()))?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(format!("cannot read the file: it is {}, not a regular file", kind(found.file_type())));
    }
    if found.len() > MAX_FILE {
        return Err(too_long());
    }
    let text = read_text(file)?;
    *left = left.checked_sub(text.len() as u64).ok_or_else(|| {
        format!("the manifests have more than {} MiB together: name fewer", MAX_TOTAL >> 20)
    })?;
    Ok(text)
}

/// Reads a text of at most [`MAX_FILE`] bytes.
pub(crate) fn read_text(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One more, to tell a text that is too long from one that just fits.
    let read = from.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read the file: {error}"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_long());
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
}

fn too_long() -> String {
    format!("the file has more than {} MiB, the most that is read of a manifest: split it", MAX_FILE >> 20)
}

fn kind(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn unreadable(path: &Path, message: String) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.problems.push(Problem::in_file(path.to_string_lossy(), message));
    manifest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType as Type, mknodat};

    use super::*;

    fn problems(roots: &[PathBuf], place: &Path) -> String {
        let problems = read_manifests(roots).problems;
        let shown = |problem: &Problem| problem.to_string().replace(place.to_str().unwrap(), "DIR");
        problems.iter().map(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn without_files_there_is_one_default_pool() {
        let manifest = read_manifests(&[]);
        assert_eq!(manifest.problems, []);
        assert_eq!(manifest.objects[0].object.title(), "EntropyPool default");
    }

    #[test]
    fn other_files_in_a_directory_are_ignored() {
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
    fn an_unreadable_file_is_a_problem_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.yaml"), b"\xff\xfe").unwrap();
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let roots = [dir.path().join("x.yaml"), dir.path().join("absent.yaml"), empty];
        insta::assert_snapshot!(problems(&roots, dir.path()));
    }

    #[test]
    fn only_regular_files_of_a_bounded_length_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        mknodat(CWD, at("fifo.yaml"), Type::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket.yaml")).unwrap();
        File::create(at("sparse.yaml")).unwrap().set_len(3 << 30).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero.yaml")).unwrap();
        insta::assert_snapshot!(problems(&[dir.path().to_owned()], dir.path()));
        for index in 0..5 {
            fs::write(at(&format!("long-{index}.yaml")), vec![b'\n'; 16 << 20]).unwrap();
        }
        let said = problems(&[dir.path().to_owned()], dir.path());
        assert_eq!(said.matches("more than 64 MiB together").count(), 1, "{said}");
    }

    #[test]
    fn a_fingerprint_changes_with_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let files = ManifestFiles::new(&[dir.path().to_owned()], None);
        let mut seen = vec![files.fingerprint()];
        fs::write(dir.path().join("a.yaml"), "1").unwrap();
        seen.push(files.fingerprint());
        fs::write(dir.path().join("new"), "2").unwrap();
        fs::rename(dir.path().join("new"), dir.path().join("a.yaml")).unwrap();
        seen.push(files.fingerprint());
        assert!(seen[0] != seen[1] && seen[1] != seen[2], "{seen:?}");
        assert_eq!(files.fingerprint(), seen[2]);
    }
}
