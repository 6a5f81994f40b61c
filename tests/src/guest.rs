//! A Linux guest in QEMU whose virtio-rng device draws from an EGD socket.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::console::{Count, Report};
use crate::image::Image;

/// What a guest is to do once it has booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestTask {
    /// Load no driver and ask for nothing, ever.
    Idle,
    /// Read as many bytes and say them, then sleep.
    Show(usize),
    /// The same, then read without end and report each second.
    Flood {
        /// Bytes to read and say before the flood.
        show: usize,
    },
    /// Read without end and report ten times a second.
    Watch,
}

impl GuestTask {
    fn command_line(self) -> String {
        match self {
            Self::Idle => "entropool.idle".to_owned(),
            Self::Show(bytes) => format!("entropool.show={bytes}"),
            Self::Flood { show } => format!("entropool.show={show} entropool.flood"),
            Self::Watch => "entropool.flood entropool.every=0.1".to_owned(),
        }
    }
}

/// A running guest; dropped, it is killed.
pub struct Guest {
    qemu: Child,
    reports: Receiver<Report>,
    tail: Arc<Mutex<VecDeque<String>>>,
    // QEMU opens its files some time after it was started.
    _image: Image,
}

/// Software emulation on a busy machine is slow, and a guest that never comes is a rare failure.
const PATIENCE: Duration = Duration::from_mins(3);
const KEPT_LINES: usize = 12;

impl Guest {
    /// Starts QEMU; the guest reports when it has booted. The socket need not be there yet: QEMU
    /// tries again each second.
    pub fn boot(image: &Image, socket: &Path, errand: GuestTask) -> Result<Self> {
        Self::boot_on(image, &format!("path={}", socket.display()), errand)
    }

    /// The same with a port of this host instead of a socket.
    pub fn boot_on_port(image: &Image, port: SocketAddr, errand: GuestTask) -> Result<Self> {
        Self::boot_on(image, &format!("host={},port={},nodelay=on", port.ip(), port.port()), errand)
    }

    fn boot_on(image: &Image, place: &str, errand: GuestTask) -> Result<Self> {
        let mut qemu = qemu(image, place, errand)
            .spawn()
            .context("a guest needs qemu-system-x86_64: run `make setup`")?;
        let console = qemu.stdout.take().context("the serial line is a pipe")?;
        let (sender, reports) = channel();
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&tail);
        thread::spawn(move || listen(BufReader::new(console), &sender, &kept));
        Ok(Self { qemu, reports, tail, _image: image.clone() })
    }

    /// QEMU's.
    pub fn pid(&self) -> u32 {
        self.qemu.id()
    }

    /// Waits until the guest has booted, and gives its kernel's version.
    pub fn up(&self) -> Result<String> {
        self.first(|report| match report {
            Report::Up { version, .. } => Some(version),
            _ => None,
        })
    }

    /// Waits for the bytes that it was to show.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        self.first(|report| match report {
            Report::Bytes(bytes) => Some(bytes.0),
            _ => None,
        })
    }

    /// Waits for the next count of its flood.
    pub fn count(&self) -> Result<Count> {
        self.first(|report| match report {
            Report::Count(count) => Some(count),
            _ => None,
        })
    }

    /// Waits until it has done its errand and sleeps.
    pub fn done(&self) -> Result<()> {
        self.first(|report| (report == Report::Done).then_some(()))
    }

    /// The newest count that has come by now, without waiting.
    pub fn newest_count(&self) -> Option<Count> {
        let counts = self.reports.try_iter().filter_map(|report| match report {
            Report::Count(count) => Some(count),
            _ => None,
        });
        counts.last()
    }

    /// The first report that `wanted` takes; those before it are gone.
    fn first<T>(&self, wanted: impl Fn(Report) -> Option<T>) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.reports.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(report) => {
                    if let Some(found) = wanted(report) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the guest was silent for {PATIENCE:?}: {}", self.tail())
                }
                Err(RecvTimeoutError::Disconnected) => bail!("QEMU has ended: {}", self.tail()),
            }
        }
    }

    fn tail(&self) -> String {
        let kept = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Passes the reports on and keeps the last other lines for the sentence of a failure: never the
/// reports themselves, which may hold random bytes.
fn listen(console: impl BufRead, reports: &Sender<Report>, tail: &Mutex<VecDeque<String>>) {
    for line in console.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if let Some(report) = Report::parse(&line) {
            if reports.send(report).is_err() {
                return;
            }
        } else if !line.starts_with("entropool: ") {
            let mut kept = tail.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_back(line.trim_end().to_owned());
            let surplus = kept.len().saturating_sub(KEPT_LINES);
            kept.drain(..surplus);
        }
    }
}

fn qemu(image: &Image, place: &str, errand: GuestTask) -> Command {
    let chardev = format!("socket,id=pool,{place},reconnect=1");
    // On a busy machine an emulated processor is too slow for the kernel's check of its timer, and it never boots.
    let append = format!(
        "console=ttyS0 quiet edd=off panic=-1 mitigations=off no_timer_check {}",
        errand.command_line()
    );
    let mut qemu = Command::new("qemu-system-x86_64");
    // Software emulation everywhere: what a nested /dev/kvm promises it does not always keep.
    qemu.args(["-accel", "tcg", "-cpu", "max", "-m", "128"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"])
        .arg("-kernel")
        .arg(image.kernel())
        .arg("-initrd")
        .arg(image.initramfs())
        .args(["-append", &append])
        .args(["-chardev", &chardev])
        .args(["-object", "rng-egd,id=egd,chardev=pool", "-device", "virtio-rng-pci,rng=egd"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    qemu
}
