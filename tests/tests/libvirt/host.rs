//! A libvirt beside a daemon of ours.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use entropool_tests::console::Report;
use entropool_tests::{Host, Image, binary};
use tempfile::TempDir;

const LOOK: Duration = Duration::from_millis(100);
/// A minute on an idle machine: software emulation on a busy one is slow.
const LOOKS: usize = 1_800;

/// A libvirtd with our hook; gone with the value, with all its domains.
pub(crate) struct Libvirt {
    child: Child,
    dir: TempDir,
    uri: String,
}

impl Libvirt {
    /// That asks the daemon of this host, whether one runs there or not.
    pub(crate) fn start(host: &Host) -> Self {
        let dir = TempDir::with_prefix("entropool-libvirt-").unwrap();
        let own = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let hooks = dir.path().join("etc/libvirt/hooks/qemu.d");
        fs::create_dir_all(&hooks).unwrap();
        let hook = format!(
            "#!/bin/sh\nENTROPOOL={} ENTROPOOL_API={} exec {} \"$@\"\n",
            binary::entropool().unwrap().display(),
            host.run_dir().join("api.sock").display(),
            own("../deploy/libvirt/qemu.d/entropool").display(),
        );
        fs::write(hooks.join("entropool"), hook).unwrap();
        fs::set_permissions(hooks.join("entropool"), Permissions::from_mode(0o755)).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut child = Command::new(own("tests/libvirt/libvirtd"))
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let socket = dir.path().join("run/libvirt/libvirt-sock");
        let uri = format!("qemu:///system?socket={}", socket.display());
        let answers = |_: &usize| {
            thread::sleep(LOOK);
            virsh(&uri, &["version"]).status.success() || child.try_wait().unwrap().is_some()
        };
        let _ = (0..LOOKS).find(answers);
        let libvirt = Self { child, dir, uri };
        assert!(libvirt.virsh(&["version"]).status.success(), "libvirtd does not serve:\n{}", libvirt.log());
        libvirt
    }

    /// By this name `virsh` and our own verbs find it.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    pub(crate) fn virsh(&self, words: &[&str]) -> Output {
        virsh(&self.uri, words)
    }

    /// What `virsh` prints; it has to succeed.
    pub(crate) fn said(&self, words: &[&str]) -> String {
        let output = self.virsh(words);
        assert!(output.status.success(), "virsh {words:?}: {}\n{}", sentence(&output), self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Defines a domain that boots a guest, which shows 64 bytes of its device.
    pub(crate) fn define(&self, name: &str) {
        let image = Image::build().unwrap();
        image.write(self.dir.path()).unwrap();
        let (dir, console) = (self.dir.path().display(), self.console(name));
        let xml = format!(
            "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{dir}/vmlinuz</kernel>
    <initrd>{dir}/initrd</initrd>
    <cmdline>console=ttyS0 quiet edd=off panic=-1 mitigations=off entropool.show=64</cmdline>
  </os>
  <cpu mode='maximum'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='{}'/></serial>
    <memballoon model='none'/>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>",
            console.display()
        );
        self.define_xml(&xml);
    }

    pub(crate) fn define_xml(&self, xml: &str) {
        let file = self.dir.path().join("domain.xml");
        fs::write(&file, xml).unwrap();
        self.said(&["define", file.to_str().unwrap()]);
    }

    /// Waits for the bytes that the guest shows.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        let found = || {
            let console = fs::read(self.console(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&console);
            text.lines().find_map(|line| match Report::parse(line) {
                Some(Report::Bytes(bytes)) => Some(bytes.0.len()),
                _ => None,
            })
        };
        self.until("the guest shows what it read", || found().is_some());
        found().unwrap()
    }

    fn console(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.console"))
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..LOOKS {
            if holds() {
                return;
            }
            thread::sleep(LOOK);
        }
        panic!("it never came that {what}:\n{}", self.log())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        // Its namespace of processes ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn virsh(uri: &str, words: &[&str]) -> Output {
    Command::new("virsh").args(["--quiet", "--connect", uri]).args(words).output().unwrap()
}

/// What a command complained of.
pub(crate) fn sentence(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
