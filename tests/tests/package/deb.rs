//! The Debian package: installed, upgraded under clients that read, removed and purged.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use entropool_tests::{Machine, QemuClients};

use crate::build::{MANIFEST, installed, package, succeed};

/// Directories that a package writes to.
const FILES: &str =
    "find /etc /usr /var/lib/entropool /var/lib/systemd /run/entropool -not -type d 2>/dev/null | sort";

#[test]
fn the_package_is_as_debian_wants_it() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs"]);
    let said = succeed(lintian.args(["--display-info", "--allow-root"]).arg(package("1.0")));
    assert_eq!(said, "", "lintian");
}

#[test]
fn the_daemon_serves_after_the_installation_with_nothing_configured() {
    let machine = installed();
    let show = |property: &str| machine.shell(&format!("systemctl show -P {property} entropool")).unwrap();
    assert_eq!(["ActiveState", "User"].map(show), ["active\n", "entropool\n"]);
    assert_eq!(show("StatusText"), "0 pools, 0 VMs, 0 waiting\n");
    assert_eq!(machine.shell("systemctl is-enabled entropool").unwrap(), "enabled\n");
    assert_eq!(
        machine.shell("stat -c '%U %a' /var/lib/entropool /etc/entropool").unwrap(),
        "entropool 700\nroot 755\n"
    );
    machine.shell("cp /usr/share/doc/entropool/examples/quickstart.yaml /etc/entropool").unwrap();
    let socket = machine.shell(&wait_for("entropool attach web-1=default/gold")).unwrap();
    assert!(socket.ends_with("/run/entropool/vm/web-1/egd.sock\n"), "{socket}");
    let read = machine.shell("entropool egd read 16 --hex /run/entropool/vm/web-1/egd.sock").unwrap();
    assert_eq!(read.trim().len(), 32, "{read}");
    machine
        .shell("man -l /usr/share/man/man5/entropool.yaml.5.gz | grep -q 'min.entropy\\|minEntropyPerByte'")
        .unwrap();
}

#[test]
fn an_upgrade_drops_no_connection() {
    let machine = installed();
    serve(&machine, 20);
    let sockets = (0..20).map(|vm| machine.path(&format!("/run/entropool/vm/vm-{vm}/egd.sock"))).collect();
    let before = machine.shell("pgrep -u entropool -n entropool").unwrap();
    let clients = QemuClients::start(sockets, Duration::from_millis(50)).unwrap();
    for version in ["1.1", "1.2"] {
        let newer = machine.take(&package(version)).unwrap();
        machine.shell(&format!("dpkg -i {newer}")).unwrap();
        assert_eq!(machine.shell("dpkg-query -Wf '${Version}' entropool").unwrap(), version);
        machine.shell("sleep 1").unwrap();
    }
    let report = clients.stop().unwrap();
    assert_eq!((report.ended, report.repeated), (0, 0), "{report:?}");
    assert!(report.longest < Duration::from_millis(2_500), "{report:?}");
    assert_ne!(machine.shell("pgrep -u entropool -n entropool").unwrap(), before, "the new program serves");
    let log = machine.shell("journalctl -u entropool -o cat --no-pager").unwrap();
    assert_eq!(log.matches("took over connections=20").count(), 2, "{log}");
}

#[test]
fn a_removal_stops_the_daemon_and_a_purge_leaves_nothing() {
    let machine = Machine::boot().unwrap();
    let files = |machine: &Machine| machine.shell(FILES).unwrap_or_default();
    let before = files(&machine);
    let deb = machine.take(&package("1.0")).unwrap();
    machine.shell(&format!("dpkg -i {deb}")).unwrap();
    serve(&machine, 1);
    machine.shell("dpkg -r entropool").unwrap();
    assert_eq!(machine.shell("systemctl is-active entropool || true").unwrap(), "inactive\n");
    assert!(!machine.path("/usr/bin/entropool").exists());
    for kept in ["/etc/default/entropool", "/etc/entropool/pools.yaml", "/var/lib/entropool/state.a"] {
        assert!(machine.path(kept).exists(), "{kept}");
    }
    machine.shell("dpkg -P entropool").unwrap();
    let after = files(&machine);
    let before: BTreeSet<_> = before.lines().collect();
    let left = after.lines().filter(|file| !before.contains(file) && file.contains("entropool"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn every_verb_has_a_manual_page_and_every_page_is_well_formed() {
    let machine = installed();
    let pages = machine.shell("ls /usr/share/man/man1 | grep entropool").unwrap();
    for verb in ["", "-run", "-attach", "-pools", "-libvirt-set", "-sources-retest", "-egd-read"] {
        assert!(pages.contains(&format!("entropool{verb}.1.gz\n")), "{verb}: {pages}");
    }
    assert!(!pages.contains("-hook") && !pages.contains("-man.1"), "{pages}");
    let said = machine
        .shell("for page in /usr/share/man/man[15]/entropool*; do man --warnings -E UTF-8 -l -Tutf8 -Z $page >/dev/null; done 2>&1")
        .unwrap();
    assert_eq!(said, "");
}

/// Attaches so many VMs once the daemon has read the manifest.
fn serve(machine: &Machine, vms: usize) {
    std::fs::write(machine.path("/etc/entropool/pools.yaml"), MANIFEST).unwrap();
    machine.shell(&wait_for("entropool attach vm-0=default,client=qemu")).unwrap();
    for vm in 1..vms {
        machine.shell(&format!("entropool attach vm-{vm}=default,client=qemu")).unwrap();
    }
    assert!(machine.path("/run/entropool/vm/vm-0/egd.sock").exists());
}

/// A manifest is read within a second.
fn wait_for(command: &str) -> String {
    format!("for attempt in $(seq 50); do {command} 2>/dev/null && exit; sleep 0.1; done; {command}")
}
