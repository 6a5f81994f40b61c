//! A guest that runs the daemon, its image while it runs, and clones that go on from there.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::cpio::Archive;
use crate::image::{BUSYBOX, kernel_tree, only_entry};

const INIT: &[u8] = include_bytes!("clone_init.sh");
/// The first Debian kernel for virtual machines with `CONFIG_VMGENID`.
const KERNEL: &str = "linux-image-6.12-cloud-amd64";
const PATIENCE: Duration = Duration::from_mins(2);

/// What is needed to boot the guest and to save it.
pub struct CloneImage {
    dir: TempDir,
    kernel: PathBuf,
}

/// The guest, or one of its clones. Dropped, it is killed.
pub struct HostGuest {
    qemu: Child,
    serial: ChildStdin,
    console: BufReader<ChildStdout>,
    monitor: PathBuf,
}

/// What a pool gave to one request.
#[derive(Debug)]
pub struct Drawn {
    pub pool: String,
    pub bytes: Vec<u8>,
}

impl CloneImage {
    /// Packs an initramfs with this program and the libraries that it needs.
    pub fn build(program: &Path) -> Result<Self> {
        let tree = kernel_tree(Some(KERNEL))?;
        let version = only_entry(&tree.join("lib/modules"))?;
        let dir = TempDir::with_prefix("entropool-clones-")?;
        let stripped = dir.path().join("entropool");
        let status = Command::new("strip").arg("-o").arg(&stripped).arg(program).status()?;
        ensure!(status.success(), "cannot strip {}", program.display());
        let mut archive = Archive::default();
        for name in ["bin", "dev", "proc", "run", "tmp"] {
            archive.directory(name);
        }
        archive.file("init", INIT);
        archive.file("bin/busybox", &fs::read(BUSYBOX).context("run `make setup` for busybox-static")?);
        archive.file("bin/entropool", &fs::read(&stripped)?);
        for library in libraries(program)? {
            let name = library.to_str().context("libraries have names in ASCII")?.trim_start_matches('/');
            let parents: Vec<_> = Path::new(name).ancestors().skip(1).collect();
            for parent in parents.iter().rev().filter_map(|parent| parent.to_str()) {
                if !parent.is_empty() {
                    archive.directory(parent);
                }
            }
            archive.file(name, &fs::read(&library)?);
        }
        fs::write(dir.path().join("initramfs"), archive.finish())?;
        Ok(Self { dir, kernel: tree.join("boot").join(format!("vmlinuz-{version}")) })
    }

    /// Boots it; returns what it drew.
    pub fn boot(&self) -> Result<(HostGuest, Vec<Drawn>)> {
        let mut guest = self.start("original", &[])?;
        let drawn = guest.drawn(|line| line.starts_with("ready "))?;
        Ok((guest, drawn))
    }

    /// Saves the guest as it runs, and ends it.
    pub fn save(&self, guest: HostGuest) -> Result<()> {
        let command = format!("migrate \"exec:cat > {}\"\n", self.saved().display());
        let (mut monitor, until) = (UnixStream::connect(&guest.monitor)?, Instant::now() + PATIENCE);
        monitor.set_read_timeout(Some(PATIENCE))?;
        monitor.write_all(command.as_bytes())?;
        let mut answers = BufReader::new(monitor.try_clone()?);
        while Instant::now() < until {
            monitor.write_all(b"info migrate\n")?;
            let mut answer = vec![];
            answers.read_until(b'\n', &mut answer)?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if answer.contains("Migration status: completed") {
                drop(guest);
                return Ok(());
            }
            ensure!(!answer.contains("Migration status: failed"), "the guest cannot be saved: {answer}");
        }
        bail!("the guest is not saved after {PATIENCE:?}")
    }

    /// A clone that goes on where the guest was saved. A request to draw is there before its first instruction.
    pub fn restore(&self, name: &str) -> Result<HostGuest> {
        self.start(name, &["-incoming", &format!("exec:cat {}", self.saved().display())])
    }

    fn saved(&self) -> PathBuf {
        self.dir.path().join("saved")
    }

    fn start(&self, name: &str, more: &[&str]) -> Result<HostGuest> {
        let monitor = self.dir.path().join(format!("{name}.monitor"));
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "384",
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
        ])
        .args(["-display", "none", "-serial", "stdio", "-device", "vmgenid,guid=auto"])
        .arg("-monitor")
        .arg(format!("unix:{},server=on,wait=off", monitor.display()))
        .arg("-kernel")
        .arg(&self.kernel)
        .arg("-initrd")
        .arg(self.dir.path().join("initramfs"))
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
        let mut qemu = qemu.spawn().context("a guest needs qemu-system-x86_64: run `make setup`")?;
        let serial = qemu.stdin.take().context("the serial line is a pipe")?;
        let console = BufReader::new(qemu.stdout.take().context("the serial line is a pipe")?);
        Ok(HostGuest { qemu, serial, console, monitor })
    }
}

impl HostGuest {
    /// Has it draw from every pool so often.
    pub fn request(&mut self, times: usize) -> Result<()> {
        Ok(self.serial.write_all("draw\n".repeat(times).as_bytes())?)
    }

    /// What it drew until it prints a line that is `last`.
    pub fn drawn(&mut self, mut last: impl FnMut(&str) -> bool) -> Result<Vec<Drawn>> {
        let (mut drawn, mut lines) = (vec![], String::new());
        loop {
            let mut line = vec![];
            let count = self.console.by_ref().read_until(b'\n', &mut line)?;
            ensure!(count > 0, "QEMU has ended: {lines}");
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if let Some((pool, hex)) = line.strip_prefix("bytes ").and_then(|rest| rest.split_once(' ')) {
                let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16);
                let bytes = (0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
                drawn.push(Drawn { pool: pool.to_owned(), bytes });
            } else {
                lines.push_str(&line);
                lines.push('\n');
            }
            if last(&line) {
                return Ok(drawn);
            }
        }
    }
}

impl Drop for HostGuest {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// The shared libraries of a program and the one that loads them, as `ldd` lists them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output()?;
    let words = String::from_utf8(output.stdout)?;
    let paths = words.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}
