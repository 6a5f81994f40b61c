//! Socket directories: what is created, and what is rejected.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use entropool_dataplane::{AttachError, DataPlaneHandle, DataPlaneOptions, ListenError, SocketOwner, start};

use crate::rig::{Rig, UNBOUND, class, connect, exchange, pool, vm};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn server(dir: &Path) -> DataPlaneHandle {
    let owner = SocketOwner { uid: None, gid: Some(fs::metadata(dir).unwrap().gid()) };
    let server = start(DataPlaneOptions {
        socket_dir: dir.to_owned(),
        owner,
        permissions: source::Permissions::default(),
        state_file: None,
        paused: false,
    })
    .unwrap();
    server.apply(vec![pool("default", UNBOUND, vec![class("shared", UNBOUND)])]).unwrap();
    server
}

#[test]
fn a_socket_has_its_own_directory_and_narrow_modes() {
    let rig = Rig::unbound();
    let path = rig.attach("web-1");
    assert_eq!(path, rig.dir.path().join("vm/web-1/egd.sock"));
    assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o750, 0o660));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_socket_without_a_listener_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let vm_dir = dir.path().join("vm");
    fs::create_dir(&vm_dir).unwrap();
    fs::write(vm_dir.join(".egd.new"), "left by a process that was killed").unwrap();
    drop(UnixListener::bind(vm_dir.join("egd.sock")).unwrap());
    let server = server(dir.path());
    let path = server.attach(vm("vm")).unwrap();
    exchange(&mut connect(&path), &[2, 64], 64);
}

#[test]
fn a_socket_in_use_is_rejected_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let first = server(dir.path());
    let path = first.attach(vm("vm")).unwrap();
    let second = server(dir.path());
    let error = second.attach(vm("vm")).unwrap_err();
    assert!(error.to_string().contains("another process listens on"), "{error}");
    assert_eq!(error.reason(), "SocketInUse");
    assert_eq!(second.snapshot().unwrap().pools[0].vms.len(), 0);
    exchange(&mut connect(&path), &[2, 64], 64);
}

#[test]
fn other_files_are_rejected_and_left_alone() {
    let rig = Rig::unbound();
    let root = rig.dir.path().join("vm");
    fs::create_dir(root.join("a")).unwrap();
    fs::write(root.join("a/egd.sock"), "precious").unwrap();
    fs::write(root.join("b"), "precious").unwrap();
    fs::create_dir(rig.dir.path().join("elsewhere")).unwrap();
    symlink(rig.dir.path().join("elsewhere"), root.join("c")).unwrap();
    let refused = |id| match rig.data_plane.attach(vm(id)).unwrap_err() {
        AttachError::Listen(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(refused("a"), ListenError::NotASocket { .. }));
    assert!(matches!(refused("b"), ListenError::NotADirectory { .. }));
    assert!(matches!(refused("c"), ListenError::NotADirectory { .. }));
    assert_eq!(fs::read_to_string(root.join("a/egd.sock")).unwrap(), "precious");
    assert_eq!(rig.snapshot().pools[0].vms.len(), 0);
}

#[test]
fn only_our_own_inode_is_removed() {
    let rig = Rig::unbound();
    let path = rig.attach("vm");
    // A successor has replaced the socket.
    fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    rig.data_plane.detach("vm").unwrap();
    assert!(path.exists());
    drop(successor);
}

#[test]
fn a_directory_of_the_caller_may_have_a_long_path_and_is_kept() {
    let long = tempfile::tempdir().unwrap();
    let path = long.path().join("d".repeat(100));
    fs::create_dir(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    for round in ["first", "second"] {
        let rig = Rig::unbound();
        let directory = fs::File::open(&path).unwrap();
        let socket = rig.data_plane.attach_in(vm("vm"), directory.as_fd(), &path).unwrap();
        assert_eq!(socket, path.join("egd.sock"));
        assert_eq!((mode(&path), mode(&socket)), (0o750, 0o660));
        // As a client does that has the directory mounted at a shorter path.
        let short = format!("/proc/self/fd/{}/egd.sock", directory.as_raw_fd());
        exchange(&mut connect(Path::new(&short)), &[2, 64], 64);
        drop(rig);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "{round}: the socket is removed");
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "{round}: the directory is kept");
    }
}

#[test]
fn a_path_that_is_too_long_is_rejected_before_anything_is_created() {
    let rig = Rig::unbound();
    let id = "x".repeat(100);
    let error = rig.data_plane.attach(vm(&id)).unwrap_err();
    assert_eq!(error.reason(), "SocketPathTooLong");
    assert_eq!(fs::read_dir(rig.dir.path().join("vm")).unwrap().count(), 0);
}

#[test]
fn an_impossible_socket_directory_is_rejected_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for path in [dir.path().join("file"), dir.path().join("file/below"), "/proc/entropool".into()] {
        let error = start(DataPlaneOptions {
            socket_dir: path.clone(),
            owner: SocketOwner::default(),
            permissions: source::Permissions::default(),
            state_file: None,
            paused: false,
        })
        .unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(error.reason(), "SocketDirectory");
    }
}
