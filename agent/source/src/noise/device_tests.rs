#![allow(clippy::unwrap_used)]
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, mknodat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;

use super::*;
use crate::health::ReadFailure;

fn refusal(path: &Path) -> String {
    Device::open(path).err().unwrap().to_string()
}

/// A terminal: the program's end of it, and the path of the other.
fn terminal() -> (fs::File, PathBuf) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, vec![]).unwrap().into_string().unwrap();
    (fs::File::from(master), path.into())
}

/// Reads until there are so many bytes.
fn read_all(device: &mut Device, count: usize) -> Vec<u8> {
    let (mut got, mut space) = (vec![], [0; 512]);
    while got.len() < count {
        match device.read(&mut space) {
            Ok(count) => got.extend_from_slice(&space[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    got
}

#[test]
fn a_device_is_read() {
    let (mut master, path) = terminal();
    let mut device = Device::open(&path).unwrap();
    assert!(device.readiness().is_some());
    assert_eq!(device.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    master.write_all(b"noise").unwrap();
    assert_eq!(read_all(&mut device, 5), b"noise");
}

#[test]
fn the_end_of_a_device_differs_from_no_bytes_yet() {
    assert_eq!(Device::open(Path::new("/dev/null")).unwrap().read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn anything_but_a_character_device_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "not random").unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(refusal(&file), format!("{} is not a character device", file.display()));
    assert_eq!(
        refusal(&link),
        format!("{} is not a character device", file.display()),
        "what the link names"
    );
    assert_eq!(refusal(folder.path()), format!("{} is not a character device", folder.path().display()));
}

#[test]
fn a_missing_device_is_named() {
    assert_eq!(
        refusal(Path::new("/dev/missing")),
        "/dev/missing cannot be opened: No such file or directory (os error 2)"
    );
}

#[test]
fn the_kernel_s_generator_is_no_noise_source_by_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("trng0");
    symlink("/dev/urandom", &link).unwrap();
    let mut names = vec![("/dev/urandom".into(), "1:9"), ("/dev/random".into(), "1:8"), (link, "1:9")];
    let node = folder.path().join("node");
    let mode = Mode::from_raw_mode(0o600);
    match mknodat(CWD, &node, FileType::CharacterDevice, mode, makedev(1, 9)) {
        Ok(()) => names.push((node, "1:9")),
        Err(errno) => println!("NOT RUN: a node of its own needs root: {errno}"),
    }
    for (path, numbers) in names {
        let error = Device::open(&path).unwrap_err();
        assert_eq!(error.failure(), ReadFailure::Deterministic);
        assert_eq!(
            error.to_string(),
            format!(
                "{} is the kernel's generator ({numbers}), a DRBG and not a noise source; for the kernel's generator \
                 write `kernel: {{}}`",
                path.display()
            )
        );
    }
}

#[test]
fn a_link_is_followed_at_each_opening_and_pinned_while_it_is_open() {
    let ((mut one, path), (mut other, other_path)) = (terminal(), terminal());
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("by-id");
    symlink(&path, &link).unwrap();
    let mut device = Device::open(&link).unwrap();
    assert_eq!(device.provenance().details().unwrap(), path.display().to_string());
    assert!(device.provenance().is_same_source(&Device::open(&path).unwrap().provenance()));

    fs::remove_file(&link).unwrap();
    symlink(&other_path, &link).unwrap();
    one.write_all(b"one").unwrap();
    other.write_all(b"other").unwrap();
    assert_eq!(read_all(&mut device, 3), b"one");
    let again = Device::open(&link).unwrap().provenance();
    assert_eq!(again.details().unwrap(), other_path.display().to_string());
    assert!(!again.is_same_source(&device.provenance()) && !device.provenance().is_continued_by(&again));
}

#[test]
fn all_values_arrive_from_a_terminal_as_they_were_sent_and_none_is_echoed() {
    let (mut master, path) = terminal();
    // A cooked terminal would have kept or changed these.
    let mut device = Device::open(&path).unwrap();
    let sent: Vec<u8> = (0..=255).cycle().take(2560).collect();
    for part in sent.chunks(512) {
        master.write_all(part).unwrap();
        assert_eq!(read_all(&mut device, part.len()), part);
    }
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    let echoed = master.read(&mut [0; 64]);
    assert_eq!(echoed.unwrap_err().kind(), io::ErrorKind::WouldBlock, "nothing is sent back");
}

#[test]
fn what_a_terminal_received_while_it_was_cooked_is_discarded() {
    let (mut master, path) = terminal();
    let cooked = fs::File::open(&path).unwrap();
    master.write_all(b"a line\n").unwrap();
    let mut device = Device::open(&path).unwrap();
    master.write_all(b"\n").unwrap();
    assert_eq!(read_all(&mut device, 1), b"\n");
    drop(cooked);
}

#[test]
fn a_terminal_gets_its_settings_back_when_its_last_reader_closes_it() {
    let (_master, path) = terminal();
    let cooked = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let modes = || tcgetattr(&cooked).unwrap().local_modes;
    let before = modes();
    let [one, other] = [(); 2].map(|()| Device::open(&path));
    assert_ne!(modes(), before);
    drop(one);
    // Without privileges a terminal that is exclusive cannot be opened twice.
    assert!(other.is_err() || modes() != before);
    drop(other);
    assert_eq!(modes(), before);
}

#[test]
fn the_generator_behind_hwrng_is_known_and_a_change_of_it_loses_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let rng_current = folder.path().join("rng_current");
    let current = |name: &str| fs::write(&rng_current, format!("{name}\n")).unwrap();
    let (mut master, path) = terminal();
    let hwrng = Hwrng { device: fs::metadata(&path).unwrap().rdev(), rng_current: rng_current.clone() };
    current("tpm-rng-0");
    let mut device = Device::open_with(&path, &hwrng).unwrap();
    assert_eq!(device.provenance().details().unwrap(), "tpm-rng-0");
    assert_eq!(device.provenance().no_credit(), None);
    master.write_all(b"12345678").unwrap();
    assert_eq!(read_all(&mut device, 8), b"12345678");

    current("virtio_rng.0");
    master.write_all(b"12345678").unwrap();
    let (mut space, before) = ([0; 8], device.provenance());
    let error = loop {
        match device.read(&mut space) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            answer => break answer.unwrap_err(),
        }
    };
    assert_eq!(error.to_string(), "the generator behind it changed from tpm-rng-0 to virtio_rng.0");
    assert_eq!(space, [0; 8], "what may be of either is not kept");
    drop(device);
    let nested = Device::open_with(&path, &hwrng).unwrap().provenance();
    assert_eq!(nested.details().unwrap(), "virtio_rng.0, nested");
    assert!(nested.no_credit().unwrap().contains("the hypervisor of this machine (virtio_rng.0)"));
    assert!(nested.is_same_source(&before) && !nested.is_continued_by(&before));

    fs::remove_file(&rng_current).unwrap();
    let hidden = Device::open_with(&path, &hwrng).unwrap().provenance();
    assert_eq!(hidden.details().unwrap(), "generator unknown");
    assert!(hidden.no_credit().unwrap().starts_with("nobody can tell whose its bytes are"));
    current("sun4i Security System PRNG");
    let error = Device::open_with(&path, &hwrng).unwrap_err();
    assert_eq!(error.failure(), ReadFailure::Deterministic);
}

#[test]
fn the_kernel_s_own_hwrng_is_as_sysfs_says() {
    let Ok(device) = Device::open(Path::new("/dev/hwrng")) else {
        println!("NOT RUN: there is no /dev/hwrng that can be opened");
        return;
    };
    let current = fs::read_to_string(Hwrng::default().rng_current).unwrap();
    assert!(device.provenance().details().unwrap().starts_with(current.trim()));
    assert_eq!(device.provenance().no_credit().is_some(), current.starts_with("virtio_rng"));
}
