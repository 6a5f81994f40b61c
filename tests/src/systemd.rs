//! A real systemd in namespaces of its own, with the unit that we ship.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::process::Process;

/// The unit as users get it.
const UNIT: &str = include_str!("../../deploy/systemd/entropool.service");
const SCRIPT: &str = include_str!("systemd.sh");
/// Where hierarchies of control groups are in which systemd finds itself, first choice first.
const HIERARCHIES: [&str; 2] = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
/// What a test's machine has otherwise than a user's: no users of ours, no targets, and a log that can be read.
const HERE: &str = "
[Unit]
DefaultDependencies=no
[Service]
User=root
Group=root
StandardOutput=append:/run/log
StandardError=append:/run/log
StartLimitIntervalSec=0
";
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 1_500;

/// A running systemd; dropped, it is gone with all that it started.
pub struct Systemd {
    dir: TempDir,
    cgroup: PathBuf,
    child: Child,
    init: Process,
}

impl Systemd {
    /// One whose `entropool.service` runs `program` for `vms`, each as in `--vm`, with `manifest`, and with these socket
    /// units beside it: name and text.
    pub fn start(program: &Path, manifest: &str, vms: &[String], sockets: &[(&str, &str)]) -> Result<Self> {
        let dir = TempDir::with_prefix("entropool-")?;
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("manifests"))?;
        fs::create_dir(at("drop-ins"))?;
        fs::write(at("manifests/pools.yaml"), manifest)?;
        fs::write(at("entropool.service"), UNIT)?;
        fs::write(at("none.socket"), "[Socket]\nListenStream=/run/none\n")?;
        for (name, text) in sockets {
            fs::write(at(name), text)?;
        }
        fs::write(at("systemd.sh"), SCRIPT)?;
        let hierarchy = HIERARCHIES.iter().find(|at| Path::new(at).join("cgroup.procs").exists());
        let name = dir.path().file_name().context("a directory has a name")?;
        let cgroup = Path::new(hierarchy.context("there are no control groups here")?).join(name);
        fs::create_dir(&cgroup)?;
        let child = spawn(dir.path(), program, &cgroup);
        let child = child.inspect_err(|_| drop(fs::remove_dir(&cgroup)))?;
        let init = Process::new(child.id());
        let mut systemd = Self { dir, cgroup, child, init };
        systemd.init = systemd.first_process()?;
        systemd.name_vms(vms, "")?;
        systemd.wait_until_it_answers()?;
        Ok(systemd)
    }

    /// What the unit says from the next start on: these VMs, and `more` lines of its section.
    pub fn name_vms(&self, vms: &[String], more: &str) -> Result<()> {
        let vms: Vec<_> = vms.iter().flat_map(|vm| ["--vm", vm]).collect();
        let exec = "/usr/local/bin/entropool run --file /etc/entropool";
        let text = format!("{HERE}{more}\nExecStart=\nExecStart={exec} {}\n", vms.join(" "));
        Ok(fs::write(self.dir.path().join("drop-ins/here.conf"), text)?)
    }

    /// What `systemctl` prints for these words; it must succeed.
    pub fn control(&self, words: &[&str]) -> Result<String> {
        let output = self.inside("systemctl").args(words).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "systemctl {words:?}: {said}\n{}", self.log());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A program in there.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init.id().to_string(), "--all", program]);
        command
    }

    /// A path in there, from here.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init.id()))
    }

    /// Where the VM called `vm` finds the daemon.
    pub fn socket(&self, vm: &str) -> PathBuf {
        self.path(&format!("/run/entropool/vm/{vm}/egd.sock"))
    }

    /// All that the daemon has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("/run/log")).unwrap_or_default()
    }

    /// Waits until the daemon has said `text` so many times.
    pub fn wait_for(&self, text: &str, times: usize) -> Result<()> {
        for _ in 0..LOOKS {
            if self.log().matches(text).count() >= times {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("the daemon did not say {text:?} {times} times, but:\n{}", self.log())
    }

    fn first_process(&mut self) -> Result<Process> {
        for _ in 0..LOOKS {
            if let Some(init) = self.init.children()?.pop() {
                return Ok(init);
            }
            ensure!(self.child.try_wait()?.is_none(), "it has no namespaces: {}", self.said());
            thread::sleep(LOOK);
        }
        bail!("systemd did not start: {}", self.said())
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        for _ in 0..LOOKS {
            let answer = self.inside("systemctl").args(["is-active", "nothing.target"]).output()?;
            if answer.stdout == b"active\n" {
                return Ok(());
            }
            ensure!(self.child.try_wait()?.is_none(), "systemd ended: {}", self.said());
            thread::sleep(LOOK);
        }
        bail!("systemd does not answer: {}", self.said())
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("said")).unwrap_or_default()
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Its first process dies with it, and with that everything in there.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for _ in 0..LOOKS {
            if remove(&self.cgroup) {
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// Removes a control group with those in it, once nobody is in them.
fn remove(cgroup: &Path) -> bool {
    let below = fs::read_dir(cgroup).into_iter().flatten().flatten();
    below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).for_each(|entry| {
        remove(&entry.path());
    });
    fs::remove_dir(cgroup).is_ok()
}

fn spawn(dir: &Path, program: &Path, cgroup: &Path) -> Result<Child> {
    let join =
        "echo $$ >\"$1/cgroup.procs\"; shift; exec unshare --kill-child -fpmCun --mount-proc bash \"$@\"";
    let said = fs::File::create(dir.join("said"))?;
    let mut command = Command::new("bash");
    command.args(["-c", join, "bash"]).arg(cgroup);
    command.arg(dir.join("systemd.sh")).args([dir, program, cgroup]);
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    command.spawn().context("systemd cannot be started")
}
