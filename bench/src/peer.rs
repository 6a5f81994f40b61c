//! The servers under test: the raw floor, built from C, and the real `entropool run`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A running server with one socket per VM below `dir`.
pub struct Peer {
    child: Child,
    dir: PathBuf,
}

impl Peer {
    /// Compiles the floor into `dir`.
    pub fn build_floor(dir: &Path) -> Result<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/floor.c");
        let program = dir.join("floor");
        let status = Command::new("cc").arg("-O2").arg("-o").arg(&program).arg(&source).status();
        if !status.context("run cc (a C compiler is needed for the raw floor)")?.success() {
            bail!("cc could not compile {}", source.display());
        }
        Ok(program)
    }

    /// Starts the floor with `count` sockets on `core`.
    pub fn floor(program: &Path, dir: &Path, count: usize, core: &str) -> Result<Self> {
        for index in 0..count {
            std::fs::create_dir_all(dir.join(index.to_string()))?;
        }
        let mut command = pinned(core, program);
        command.arg(dir).arg(count.to_string());
        Self::start(command, dir, count)
    }

    /// Starts `entropool run` with `count` VMs on `core`; every limit is above what the load can ask.
    pub fn entropool(program: &Path, dir: &Path, count: usize, core: &str) -> Result<Self> {
        let manifest = dir.join("bench.yaml");
        std::fs::write(&manifest, MANIFEST)?;
        let mut command = pinned(core, program);
        command.arg("run").arg("-f").arg(&manifest).arg("--run-dir").arg(dir.join("run"));
        command.arg("--state-dir").arg(dir.join("state")).arg("--socket-dir").arg(dir);
        for index in 0..count {
            command.arg("--vm").arg(format!("{index}=default/open,client=egd"));
        }
        Self::start(command, dir, count)
    }

    fn start(mut command: Command, dir: &Path, count: usize) -> Result<Self> {
        // A file: a pipe that nobody empties would stop a server that has much to say.
        let log = File::create(dir.join("log"))?;
        let child = command.stdout(Stdio::null()).stderr(log).stdin(Stdio::null()).spawn();
        let mut peer = Self { child: child.context("start the server under test")?, dir: dir.to_owned() };
        peer.wait_until_it_listens(count)?;
        Ok(peer)
    }

    fn wait_until_it_listens(&mut self, count: usize) -> Result<()> {
        let patience = Instant::now() + Duration::from_secs(30);
        let last = self.socket(count - 1);
        while std::os::unix::net::UnixStream::connect(&last).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > patience {
                bail!("the server does not listen at {}: {}", last.display(), self.complaint());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn complaint(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        log.lines().last().unwrap_or("it said nothing").to_owned()
    }

    /// The sockets of the first `count` VMs.
    pub fn sockets(&self, count: usize) -> Vec<PathBuf> {
        (0..count).map(|index| self.socket(index)).collect()
    }

    fn socket(&self, index: usize) -> PathBuf {
        self.dir.join(index.to_string()).join("egd.sock")
    }

    /// The process that serves: a child of the one that was started, where that only sees to it that there is one.
    fn serving(&self) -> Result<u32> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Ok(children.split_whitespace().next_back().map_or(Ok(id), str::parse)?)
    }

    /// CPU used so far, all threads.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.serving()?))?;
        let fields = stat.rsplit(')').next().context("stat has a name in parentheses")?;
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serving()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core).arg(program);
    command
}

/// Three levels above the leaf's VM, all limits on, none that binds.
const MANIFEST: &str = "\
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: default}
spec: {rate: 1G/s, ceil: 2G/s, burst: 1Gi, cburst: 1Gi}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: open}
spec:
  pool: default
  rate: 1G/s
  ceil: 2G/s
  burst: 1Gi
  cburst: 1Gi
  perVM: {rate: 1M/s, ceil: 1G/s, burst: 1Gi, cburst: 1Gi}
";
