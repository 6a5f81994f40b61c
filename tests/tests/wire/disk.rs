//! A state directory on a disk that is full, or can only be read.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;

use entropool_tests::host::vacant_port;
use entropool_tests::process::Process;
use entropool_tests::{EgdClient, Host, scrape};
use rustix::process::{Signal, kill_process};

use crate::broken_handovers::{LOOK, LOOKS, Running, ask, draws, vms};
use crate::{OPEN, beside_others, host};

/// Room for a checkpoint of some VMs, and soon for no more.
const SIZE: &str = "size=64k";
const AGAIN: &str = "checkpoint writable again";

/// A daemon with a disk of its own for its state.
struct OnDisk {
    host: Host,
    running: Running,
    metrics: SocketAddr,
}

impl OnDisk {
    fn start() -> Self {
        let host = host(OPEN);
        let mut daemon = host.run();
        let metrics = vacant_port().unwrap();
        daemon.args(["--vm", "a=default/any,client=egd", "--metrics", &metrics.to_string()]);
        let script = format!("mount -t tmpfs -o {SIZE} disk \"$0\" && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-m", "bash", "-c", &script]).arg(host.state_dir());
        command.arg(daemon.get_program()).args(daemon.get_args());
        let running = Running::start(&host, &mut command);
        Self { host, running, metrics }
    }

    /// A file on that disk, from here.
    fn file(&self, name: &str) -> PathBuf {
        let dir = format!("/proc/{}/root{}", self.running.process().id(), self.host.state_dir().display());
        Path::new(&dir).join(name)
    }

    fn remount(&self, how: &str) {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &self.running.process().id().to_string(), "mount", "-o"]);
        let status = command.arg(format!("remount,{how}")).arg(self.host.state_dir()).status().unwrap();
        assert!(status.success(), "remount,{how}: {status}");
    }

    /// Whether it says to Prometheus that it can write there.
    fn writable(&self) -> bool {
        scrape(self.metrics, "entropool_checkpoint_writable").unwrap() == "1.0"
    }

    fn attach(&self, vm: &str) {
        ask(&self.host, &["attach", &format!("{vm}=default/any,client=egd")]);
    }

    /// Waits until these words are on the disk.
    fn keeps(&self, words: &str) {
        let has =
            |name| fs::read(self.file(name)).is_ok_and(|file| String::from_utf8_lossy(&file).contains(words));
        for _ in 0..LOOKS {
            if has("state.a") || has("state.b") {
                return;
            }
            sleep(LOOK);
        }
        panic!("{words} is not on the disk");
    }

    /// Kills who serves, and waits until somebody else does.
    fn crash(&self) {
        let worker = self.worker().expect("somebody serves");
        kill_process(worker.pid().unwrap(), Signal::KILL).unwrap();
        for _ in 0..LOOKS {
            if self.worker().is_some_and(|now| now.id() != worker.id()) {
                return draws(&self.host, "a");
            }
            sleep(LOOK);
        }
        panic!("nobody serves any more");
    }

    fn worker(&self) -> Option<Process> {
        self.running.process().children().unwrap().pop()
    }

    /// All of them are served.
    fn serve(&self, expected: &[&str]) {
        assert_eq!(vms(&self.host), expected);
        for vm in expected {
            EgdClient::connect(&self.host.socket(vm)).unwrap().read(64).unwrap();
        }
    }
}

#[test]
fn a_full_disk_is_said_stops_nobody_and_is_caught_up_with_when_there_is_room() {
    let _machine = beside_others();
    let daemon = OnDisk::start();
    daemon.attach("b");
    daemon.keeps("\"b\"");
    let filler = daemon.file("filler");
    fs::write(&filler, vec![0; 1 << 20]).expect_err("that disk has an end");
    assert!(daemon.writable());
    daemon.attach("c");
    daemon.running.says("DiskFull");
    assert!(!daemon.writable());
    daemon.serve(&["a", "b", "c"]);
    daemon.crash();
    daemon.serve(&["a", "b"]);

    daemon.attach("d");
    let mut looks = 0..LOOKS;
    while daemon.writable() {
        looks.next().expect("a save fails while the disk is full");
        sleep(LOOK);
    }
    fs::remove_file(&filler).unwrap();
    daemon.running.says(AGAIN);
    assert!(daemon.writable());
    daemon.crash();
    daemon.serve(&["a", "b", "d"]);
}

#[test]
fn a_disk_that_can_only_be_read_is_said_stops_nobody_and_is_caught_up_with_when_it_can_be_written() {
    let _machine = beside_others();
    let daemon = OnDisk::start();
    daemon.attach("b");
    daemon.keeps("\"b\"");
    daemon.remount("ro");
    daemon.attach("c");
    daemon.running.says("ReadOnly");
    daemon.serve(&["a", "b", "c"]);
    daemon.crash();
    daemon.running.says("the checkpoint will not be updated");
    daemon.serve(&["a", "b"]);

    daemon.attach("d");
    daemon.remount("rw");
    daemon.running.says(AGAIN);
    daemon.crash();
    daemon.serve(&["a", "b", "d"]);
}
