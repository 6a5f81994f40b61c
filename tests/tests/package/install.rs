//! `make install` and `make uninstall`.

use std::fs;
use std::process::Command;

use entropool_tests::{Machine, binary};
use tempfile::TempDir;

use crate::build::{repository, succeed};

fn make(target: &str, variables: &[(&str, &str)]) -> String {
    let mut make = Command::new("make");
    make.arg("--no-print-directory").arg(target).current_dir(repository());
    make.env("PROGRAM", binary::entropool().unwrap());
    succeed(make.args(variables.iter().map(|(name, value)| format!("{name}={value}"))))
}

fn files(dir: &TempDir) -> Vec<String> {
    let found = succeed(Command::new("find").arg(".").args(["-type", "f"]).current_dir(dir.path()));
    let mut files: Vec<_> = found.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn what_is_installed_below_a_directory_is_complete_and_goes_again() {
    let dir = TempDir::new().unwrap();
    let destination = dir.path().to_str().unwrap();
    make("install", &[("DESTDIR", destination), ("PREFIX", "/opt/entropool")]);
    let unit =
        fs::read_to_string(dir.path().join("opt/entropool/lib/systemd/system/entropool.service")).unwrap();
    assert!(unit.contains("ExecStart=/opt/entropool/bin/entropool run"), "{unit}");
    let hook = fs::read_to_string(dir.path().join("etc/libvirt/hooks/qemu.d/entropool")).unwrap();
    assert!(hook.contains("/opt/entropool/bin/entropool"), "{hook}");
    insta::assert_snapshot!(files(&dir).join("\n"));

    fs::write(dir.path().join("etc/default/entropool"), "ENTROPOOL_METRICS=9090\n").unwrap();
    make("install", &[("DESTDIR", destination), ("PREFIX", "/opt/entropool")]);
    make("uninstall", &[("DESTDIR", destination), ("PREFIX", "/opt/entropool")]);
    assert_eq!(files(&dir), ["./etc/default/entropool"], "what was edited stays");
}

#[test]
fn systemd_takes_the_files_that_are_installed() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().to_str().unwrap();
    make("install", &[("DESTDIR", root), ("PREFIX", "/usr")]);
    for (tool, file) in [("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")] {
        let mut command = Command::new(tool);
        if tool == "systemd-tmpfiles" {
            command.arg("--create");
        }
        succeed(
            command
                .arg(format!("--root={root}"))
                .arg(dir.path().join("usr/lib").join(file).join("entropool.conf")),
        );
    }
    let users = fs::read_to_string(dir.path().join("etc/passwd")).unwrap();
    assert!(users.contains("entropool:x:"), "{users}");
    assert!(dir.path().join("var/lib/entropool").is_dir());
}

#[test]
fn a_machine_serves_after_make_install_and_is_as_before_after_uninstall() {
    let machine = Machine::boot().unwrap();
    let program = machine.take(&binary::entropool().unwrap()).unwrap();
    let deploy = machine.shared("deploy").0;
    succeed(Command::new("cp").arg("-r").arg(repository().join("deploy")).arg(deploy));
    let said = machine.shell(&format!("/tmp/here/deploy/install {program} 2>&1")).unwrap();
    assert!(said.contains("To start it: systemctl enable --now entropool"), "{said}");
    machine.shell("systemctl enable --now entropool").unwrap();
    let said = machine.shell(&format!("/tmp/here/deploy/install {program} 2>&1")).unwrap();
    assert!(said.contains("no connection was closed"), "{said}");
    machine.shell(&format!("/tmp/here/deploy/install {program} uninstall")).unwrap();
    let left = machine.shell("find /etc /usr /var /run -xdev -path '/var/lib/entropool-*' -prune -o -name '*entropool*' -print | sort").unwrap();
    assert_eq!(left, "/etc/entropool\n/var/lib/entropool\n");
    assert_eq!(machine.shell("systemctl is-active entropool || true").unwrap(), "inactive\n");
}
