//! The controller as a process on a core of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::objects::NAMESPACE;

/// The controller. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
}

/// How to start it.
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) agents: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) webhooks: SocketAddr,
    pub(crate) core: u32,
}

impl Start {
    /// Starts it.
    pub(crate) fn start(&self) -> Result<Program> {
        let child = Command::new("taskset")
            .args(["--cpu-list", &self.core.to_string()])
            .arg(&self.program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ENTROPOOL_LOG", "warn")
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--namespace", NAMESPACE, "--name", "bench", "--tls-name", "127.0.0.1"])
            .args(["--listen", &self.agents.to_string(), "--http", &self.http.to_string()])
            .args(["--webhooks", &self.webhooks.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("the controller does not start")?;
        Ok(Program { child })
    }
}

impl Program {
    /// Time it has had on a processor.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Bytes of memory it has now.
    pub(crate) fn resident(&self) -> Result<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1_024)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time a process has had on a processor: `self`, or its id.
pub(crate) fn cpu_of(process: &str) -> Result<Duration> {
    let mut spent = Duration::ZERO;
    for task in Path::new("/proc").join(process).join("task").read_dir()? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        spent += Duration::from_nanos(text.split(' ').next().context("schedstat is empty")?.parse()?);
    }
    Ok(spent)
}
