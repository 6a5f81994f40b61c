//! Real guests in QEMU.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use entropool_tests::{Errand, Guest, Image, Proxy};

const DEVICE_BLOCK: usize = 64;

#[test]
fn a_guest_reads_what_its_socket_serves() {
    let dir = tempfile::tempdir().unwrap();
    let (near, far) = (dir.path().join("near.sock"), dir.path().join("far.sock"));
    let listener = UnixListener::bind(&far).unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve_numbers(stream.unwrap())));
    let proxy = Proxy::start(&near, &far).unwrap();

    let guest = Guest::boot(&Image::build().unwrap(), &near, Errand::Show(1024)).unwrap();
    let read = guest.bytes().unwrap();

    let served = proxy.served();
    // The guest's own kernel takes some of the device's blocks for itself.
    let mut blocks = served.chunks(DEVICE_BLOCK);
    assert!(read.chunks(DEVICE_BLOCK).all(|block| blocks.any(|served| served == block)));
}

/// Answers every 0x02 with bytes that count on, so that no two blocks are the same.
fn serve_numbers(mut stream: UnixStream) {
    let mut request = [0; 2];
    let mut number = 0_u64;
    while stream.read_exact(&mut request).is_ok() {
        let words = std::iter::from_fn(|| {
            number += 1;
            Some(number.to_le_bytes())
        });
        let reply: Vec<u8> = words.flatten().take(request[1].into()).collect();
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}
