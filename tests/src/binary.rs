//! The programs under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Error, Result, ensure};

/// Path of an `entropool` that is as new as its source: cargo builds other packages' programs for
/// a test only by chance, so the first who asks has it built.
pub fn entropool() -> Result<PathBuf> {
    static BUILT: Built = Built::new();
    once(&BUILT, "entropool")
}

/// Path of an `entropool-controller`, likewise.
pub fn controller() -> Result<PathBuf> {
    static BUILT: Built = Built::new();
    once(&BUILT, "entropool-controller")
}

/// Path of an `entropool-agent`, likewise.
pub fn agent() -> Result<PathBuf> {
    static BUILT: Built = Built::new();
    once(&BUILT, "entropool-agent")
}

/// Path of an `entropool-hook`, likewise.
pub fn hook() -> Result<PathBuf> {
    static BUILT: Built = Built::new();
    once(&BUILT, "entropool-hook")
}

type Built = OnceLock<Result<PathBuf, String>>;

/// A directory of programs that are built already, as new as their source.
const PROGRAMS: &str = "ENTROPOOL_PROGRAMS";

fn once(built: &'static Built, program: &str) -> Result<PathBuf> {
    // A failure is kept as well: it would take as long to fail again for each test.
    let built = built.get_or_init(|| build(program).map_err(|error| format!("{error:#}")));
    built.clone().map_err(Error::msg)
}

/// The one that was built beside the program that asks.
pub fn beside_us() -> Result<PathBuf> {
    let path = profile_dir()?.join("entropool");
    ensure!(path.exists(), "{} is not there: build the whole workspace first", path.display());
    Ok(path)
}

/// `…/debug`, which holds this program or the `deps` with this test.
fn profile_dir() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let dir = own.parent().context("a program lies in a directory")?;
    Ok(if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir }.to_owned())
}

/// The features are those of the whole workspace, as in `make test`: of a package by itself cargo would compile most
/// of what it depends on once more, for other features.
fn build(program: &str) -> Result<PathBuf> {
    if let Some(programs) = env::var_os(PROGRAMS) {
        let path = Path::new(&programs).join(program);
        ensure!(path.exists(), "{PROGRAMS} is set, and {} is not there", path.display());
        return Ok(path);
    }
    let profile = profile_dir()?;
    let target = profile.parent().context("a target directory has a name")?;
    // Where builds are shared, programs are not beside the tests.
    let named = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let target = named.unwrap_or_else(|| target.to_owned());
    let profile = profile.file_name().context("a profile has a name")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo says of this package to its tests is nothing to those of the inner build: ring's build script looks at
    // it, and would have everything that stands on TLS compiled anew, here and by the next outer build again.
    for (name, _) in env::vars_os().filter(|(name, _)| of_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let output = command
        .args(["build", "--quiet", "--workspace", "--all-features", "--bin", program, "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    ensure!(output.status.success(), "{program} does not build: {}", String::from_utf8_lossy(&output.stderr));
    Ok(target.join(profile).join(program))
}

fn of_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}
