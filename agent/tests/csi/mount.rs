//! As a container sees it: the directory bound read-only, in a mount namespace of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::kubelet::{Kubelet, PATIENCE, Pod};
use crate::node::{Host, Node};

/// A process that has `target` mounted, as a container has it.
struct Container {
    process: Child,
    inside: PathBuf,
}

impl Container {
    fn with(target: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let script =
            r#"mount --bind "$1" "$2" && mount -o remount,bind,ro "$2" && echo ready && exec sleep 600"#;
        let mut process = Command::new("unshare")
            .args(["--map-root-user", "--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .args([target, at])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let root = PathBuf::from(format!("/proc/{}/root", process.id()));
        Self { process, inside: root.join(at.strip_prefix("/").unwrap()) }
    }

    fn connect(&self) -> UnixStream {
        let client = UnixStream::connect(self.inside.join("egd.sock")).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn exchange(client: &mut UnixStream) {
    client.write_all(&[2, 64]).unwrap();
    client.read_exact(&mut [0; 64]).unwrap();
}

#[test]
fn a_container_reads_through_its_mount_before_and_after_a_restart_and_can_change_nothing() {
    let host = Host::new();
    let node = Node::start(&host);
    let target = Kubelet::of(&host).publish(&Pod::new(1)).unwrap();
    let container = Container::with(&target, &host.path("run/in"));
    exchange(&mut container.connect());
    let egd = container.inside.join("egd.sock");
    assert!(fs::remove_file(&egd).is_err(), "the socket cannot be removed from inside");
    assert!(fs::write(container.inside.join("x"), "").is_err(), "nor anything be put beside it");
    drop(node);
    assert!(UnixStream::connect(&egd).is_err());
    let _node = Node::start(&host);
    exchange(&mut container.connect());
}
