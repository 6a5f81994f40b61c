//! Kubernetes' programs and the scripts that start them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Error, Result, ensure};

/// The directory of `kubectl`, `kube-apiserver`, `etcd` and their like; built the first time.
pub fn programs() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| install().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|sentence| Error::msg(sentence.clone()))
}

fn install() -> Result<PathBuf> {
    let said = said(&mut Command::new(in_repository(".ci/kubernetes")))?;
    Ok(PathBuf::from(said.trim_end()))
}

/// What Helm makes of the chart with these values.
pub fn rendered(values: &[&str]) -> Result<String> {
    let helm = said(&mut Command::new(in_repository(".ci/helm")))?;
    let mut command = Command::new(helm.trim_end());
    // Of itself it takes a cluster for one of Kubernetes 1.20.
    command
        .args(["template", "entropool", "--kube-version", "1.30.0"])
        .arg(in_repository("charts/entropool"));
    said(command.args(["--namespace", super::NAMESPACE]).args(values))
}

/// `path`, which is given from the root of the repository.
pub(super) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What `command` prints; it is an error, with what it complained of, when it fails.
pub(super) fn said(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("running {}", command.get_program().display()))?;
    ensure!(
        status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&stderr)
    );
    Ok(String::from_utf8(stdout)?)
}
