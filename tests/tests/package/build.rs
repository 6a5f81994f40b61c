//! The package, built once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use entropool_tests::{Machine, binary};
use tempfile::TempDir;

/// A manifest that serves whoever asks.
pub(crate) const MANIFEST: &str = "
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {defaultClass: any}}
---
{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: any}, spec: {pool: default}}
";

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The package in this version, built once.
pub(crate) fn package(version: &str) -> PathBuf {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    static PACKAGES: Mutex<()> = Mutex::new(());
    let dir = DIRECTORY.get_or_init(|| TempDir::with_prefix("entropool-deb-").unwrap());
    let _one = PACKAGES.lock().unwrap();
    let package = dir.path().join(format!("entropool_{version}_{}.deb", architecture()));
    let tree = dir.path().join("tree");
    if !tree.exists() {
        let mut build = Command::new(repository().join(".ci/deb"));
        build.arg(dir.path()).env("PROGRAM", binary::entropool().unwrap()).env("VERSION", "1.0");
        let built = succeed(quick(&mut build));
        succeed(Command::new("dpkg-deb").args(["-R", built.trim()]).arg(&tree));
    }
    if !package.exists() {
        let control = tree.join("DEBIAN/control");
        succeed(
            Command::new("sed").arg("-i").arg(format!("s/^Version: .*/Version: {version}/")).arg(control),
        );
        let mut pack = Command::new("dpkg-deb");
        succeed(quick(pack.args(["--root-owner-group", "--build"]).arg(&tree).arg(&package)));
    }
    package
}

/// Not small.
fn quick(command: &mut Command) -> &mut Command {
    command.env("DPKG_DEB_COMPRESSOR_TYPE", "xz").env("DPKG_DEB_COMPRESSOR_LEVEL", "0")
}

fn architecture() -> String {
    succeed(Command::new("dpkg").arg("--print-architecture")).trim().to_owned()
}

/// A machine on which the package is installed.
pub(crate) fn installed() -> Machine {
    let machine = Machine::boot().unwrap();
    let deb = machine.take(&package("1.0")).unwrap();
    machine.shell(&format!("dpkg -i {deb}")).unwrap();
    machine
}

/// What a command prints; it must succeed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
