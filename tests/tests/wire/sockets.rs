//! Sockets and directories: what the daemon makes, and where it refuses to.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use entropool_tests::daemon::Refusal;
use entropool_tests::{Daemon, EgdClient, Host};

use crate::{OPEN, beside_others, host, start};

const VM: [&str; 2] = ["--vm", "a=default/any"];

fn refused(command: &mut std::process::Command, words: &[&str]) {
    let refusal = Refusal::of(command).unwrap();
    assert_eq!(refusal.code, Some(1), "{}", refusal.said);
    for word in words {
        assert!(refusal.said.contains(word), "no {word:?} in:\n{}", refusal.said);
    }
}

#[test]
fn a_socket_is_for_owner_and_group_only() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let socket = daemon.socket("a");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;

    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o660);
    assert_eq!(mode(socket.parent().unwrap()), 0o750);
    assert_eq!(fs::read_dir(socket.parent().unwrap()).unwrap().count(), 1, "no temporary name is left over");
}

#[test]
fn a_path_that_no_socket_can_have_is_refused_before_anything_starts() {
    let _machine = beside_others();
    let host = host(OPEN);
    let long = host.path().join("x".repeat(107));
    fs::create_dir(&long).unwrap();

    refused(host.run_in(&long).args(VM), &["107", "egd.sock"]);
    assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_place_of_a_directory_is_refused() {
    let _machine = beside_others();
    let host = host(OPEN);
    let file = host.path().join("file");
    fs::write(&file, "").unwrap();

    refused(host.run_in(&file).args(VM), &[file.to_str().unwrap()]);
}

#[test]
fn a_directory_that_nobody_may_write_is_refused() {
    let _machine = beside_others();
    // Root ignores a directory's mode, but not this one's owner: the kernel.
    refused(host(OPEN).run_in(Path::new("/proc")).args(VM), &["/proc"]);
}

#[test]
fn a_socket_on_which_somebody_listens_is_left_alone() {
    let _machine = beside_others();
    let host = host(OPEN);
    fs::create_dir(host.socket_dir().join("a")).unwrap();
    let somebody = UnixListener::bind(host.socket("a")).unwrap();

    refused(host.run().args(VM), &[host.socket("a").to_str().unwrap()]);
    EgdClient::connect(&host.socket("a")).unwrap();
    somebody.accept().unwrap();
}

#[test]
fn a_socket_that_a_crash_left_behind_is_replaced() {
    let _machine = beside_others();
    let host = host(OPEN);
    fs::create_dir(host.socket_dir().join("a")).unwrap();
    drop(UnixListener::bind(host.socket("a")).unwrap());

    let daemon = Daemon::start(host, &["a=default/any"]).unwrap();
    EgdClient::connect(&daemon.socket("a")).unwrap().read(16).unwrap();
}

#[test]
fn a_second_daemon_with_the_same_places_is_refused() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let run_dir = daemon.host().run_dir();

    let words = [run_dir.to_str().unwrap(), "belong to a running daemon, process", "--take-over"];
    refused(daemon.host().run().args(["--vm", "b=default/any"]), &words);
    EgdClient::connect(&daemon.socket("a")).unwrap().read(16).unwrap();
}

#[test]
fn a_name_that_leaves_its_directory_is_wrong() {
    let _machine = beside_others();
    let host: Host = host(OPEN);
    let refusal = Refusal::of(host.run().args(["--vm", "../a=default/any"])).unwrap();
    assert!(matches!(refusal.code, Some(1 | 2)), "{refusal:?}");
    assert!(!host.path().join("a").exists());
}
