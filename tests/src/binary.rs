//! The programs under test.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Error, Result, ensure};

/// Path of an `entropool` that is as new as its source: cargo builds other packages' programs for
/// a test only by chance, so the first who asks has it built.
pub fn entropool() -> Result<PathBuf> {
    static BUILT: Built = Built::new();
    once(&BUILT, "entropool-cli", "entropool")
}

/// Path of an `entropool-controller`, likewise.
pub fn controller() -> Result<PathBuf> {
    static BUILT: Built = Built::new();
    once(&BUILT, "entropool-controller", "entropool-controller")
}

type Built = OnceLock<Result<PathBuf, String>>;

fn once(built: &'static Built, package: &str, program: &str) -> Result<PathBuf> {
    // A failure is kept as well: it would take as long to fail again for each test.
    let built = built.get_or_init(|| build(package, program).map_err(|error| format!("{error:#}")));
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

fn build(package: &str, program: &str) -> Result<PathBuf> {
    let profile = profile_dir()?;
    let target = profile.parent().context("a target directory has a name")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", package, "--bin", program, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    ensure!(output.status.success(), "{program} does not build: {}", String::from_utf8_lossy(&output.stderr));
    Ok(profile.join(program))
}
