//! The files and directories that one daemon lives on, gone with the value.

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Result;
use tempfile::TempDir;

/// A temporary host: one manifest, a run, a state and a socket directory.
pub struct Host {
    program: PathBuf,
    dir: TempDir,
}

impl Host {
    /// For the program at `program` and with `manifest` as its only file.
    pub fn new(program: PathBuf, manifest: &str) -> Result<Self> {
        let host = Self { program, dir: TempDir::with_prefix("entropool-")? };
        for dir in [host.run_dir(), host.state_dir(), host.socket_dir()] {
            fs::create_dir(dir)?;
        }
        host.rewrite(manifest)?;
        Ok(host)
    }

    /// Everything else lies below it.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The file given with `-f`.
    pub fn manifest(&self) -> PathBuf {
        self.path().join("pools.yaml")
    }

    /// `--run-dir`.
    pub fn run_dir(&self) -> PathBuf {
        self.path().join("run")
    }

    /// `--state-dir`.
    pub fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    /// `--socket-dir`.
    pub fn socket_dir(&self) -> PathBuf {
        self.path().join("vm")
    }

    /// Where the VM called `vm` finds the daemon.
    pub fn socket(&self, vm: &str) -> PathBuf {
        self.socket_dir().join(vm).join("egd.sock")
    }

    /// Puts another manifest in the place of the first, as an editor does: written beside it, then renamed.
    pub fn rewrite(&self, manifest: &str) -> Result<()> {
        let new = self.path().join("pools.yaml.new");
        fs::write(&new, manifest)?;
        Ok(fs::rename(&new, self.manifest())?)
    }

    /// `entropool run` with all that is needed but the VMs.
    pub fn run(&self) -> Command {
        self.run_in(&self.socket_dir())
    }

    /// The same with another `--socket-dir`.
    pub fn run_in(&self, socket_dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run").arg("-f").arg(self.manifest());
        command.arg("--run-dir").arg(self.run_dir()).arg("--state-dir").arg(self.state_dir());
        command.arg("--socket-dir").arg(socket_dir);
        command
    }

    /// Asks the daemon of this host something: a verb and its arguments.
    pub fn ask<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Result<Output> {
        Ok(self.asking(words).output()?)
    }

    /// The same as a command to run later.
    pub fn asking<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--api").arg(self.run_dir().join("api.sock")).args(words);
        command
    }
}

/// A port of the loopback interface on which nobody listens now.
pub fn vacant_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
