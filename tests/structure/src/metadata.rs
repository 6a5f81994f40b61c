//! The packages of a workspace, as cargo knows them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Folders at the root whose packages are no production code.
const NOT_SHIPPED: [&str; 2] = ["bench", "tests"];

pub(crate) struct Package {
    pub(crate) name: String,
    /// Names by which code of other packages may call its library.
    pub(crate) aliases: Vec<String>,
    /// Root files of its library and its programs.
    pub(crate) roots: Vec<PathBuf>,
}

/// The packages that are shipped, of the workspace at `root`, an absolute path.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("running `cargo metadata`")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} is no workspace that cargo can read: {errors}", root.display());
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("reading what `cargo metadata` prints")?;
    let mut packages: Vec<_> =
        list(&metadata["packages"]).iter().filter(|package| is_shipped(root, package)).map(package).collect();
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(packages)
}

fn is_shipped(root: &Path, package: &Value) -> bool {
    let manifest = Path::new(text(&package["manifest_path"]));
    let folder = manifest.strip_prefix(root).ok().and_then(|path| path.components().next());
    folder.is_some_and(|first| NOT_SHIPPED.iter().all(|name| first.as_os_str() != *name))
}

fn package(package: &Value) -> Package {
    let name = text(&package["name"]).to_owned();
    let targets = || list(&package["targets"]).iter();
    let has = |target: &Value, kind: &str| list(&target["kind"]).iter().any(|is| is == kind);
    // `entropool-api` is `api` to the packages beside it.
    let short = name.rsplit('-').next().unwrap_or(&name).to_owned();
    let mut aliases = vec![name.replace('-', "_"), short];
    aliases.extend(
        targets().filter(|target| has(target, "lib")).map(|target| text(&target["name"]).replace('-', "_")),
    );
    let shipped = targets().filter(|target| has(target, "lib") || has(target, "bin"));
    let roots = shipped.map(|target| PathBuf::from(text(&target["src_path"]))).collect();
    Package { name, aliases, roots }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
