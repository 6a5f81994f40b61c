//! A machine of its own: a copy of this one's file system, with a systemd that has started nothing yet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::systemd::Systemd;

const SCRIPT: &str = include_str!("machine.sh");

/// A running machine; dropped, it is gone with all that was changed on it.
pub struct Machine {
    systemd: Systemd,
}

impl Machine {
    /// Boots one.
    pub fn boot() -> Result<Self> {
        let dir = TempDir::with_prefix("entropool-")?;
        fs::write(dir.path().join("boot.sh"), SCRIPT)?;
        Ok(Self { systemd: Systemd::boot(dir, &[])? })
    }

    /// A file in there, and what it is called there.
    pub fn shared(&self, name: &str) -> (PathBuf, String) {
        (self.systemd.dir().join(name), format!("/tmp/here/{name}"))
    }

    /// Copies a file to there, and returns what it is called there.
    pub fn take(&self, file: &Path) -> Result<String> {
        let (here, there) = self.shared(&file.file_name().unwrap_or_default().to_string_lossy());
        fs::copy(file, here)?;
        Ok(there)
    }

    /// A path in there, from here.
    pub fn path(&self, path: &str) -> PathBuf {
        self.systemd.path(path)
    }

    /// What a shell in there prints; all commands must succeed.
    pub fn shell(&self, script: &str) -> Result<String> {
        let output = self.systemd.inside("bash").args(["-euc", script]).output()?;
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{script}: {}\n{said}{complained}", output.status);
        Ok(said.into_owned())
    }
}
