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

/// What Helm makes of the chart with these values, when it talks to no cluster.
pub fn rendered(values: &[&str]) -> Result<String> {
    // Of itself it takes a cluster for one of Kubernetes 1.20.
    said(
        helm()?
            .args(["template", "entropool", "--kube-version", "1.30.0"])
            .arg(chart())
            .args(["--namespace", super::NAMESPACE])
            .args(values),
    )
}

/// `helm`, built the first time, without anything of the caller's own.
pub fn helm() -> Result<Command> {
    static BUILT: OnceLock<Result<String, String>> = OnceLock::new();
    let build = || said(&mut Command::new(in_repository(".ci/helm"))).map_err(|error| format!("{error:#}"));
    let program = BUILT.get_or_init(build).as_deref().map_err(|sentence| Error::msg(sentence.clone()))?;
    let mut command = Command::new(program.trim_end());
    command.env_remove("KUBECONFIG").env_remove("HELM_NAMESPACE").env("HELM_DATA_HOME", "/nonexistent");
    Ok(command)
}

/// The directory of the chart.
pub fn chart() -> PathBuf {
    in_repository("charts/entropool")
}

/// `path`, which is given from the root of the repository.
pub(super) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What `command` prints; it is an error, with what it complained of, when it fails.
pub fn said(command: &mut Command) -> Result<String> {
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
