//! What a guest reads is what was served to it.

use entropool_tests::{Guest, GuestTask, Image, Proxy};

use crate::{alone, start};

/// What the device gives at a time.
const BLOCK: usize = 64;

#[test]
fn the_bytes_in_the_guest_are_those_served() {
    let _machine = alone();
    // A proxy reads all that comes, as only a QEMU does that waits for more.
    let daemon = start(&["web-1=default/gold,client=egd"]);
    let near = daemon.host().path().join("proxy.sock");
    let proxy = Proxy::start(&near, &daemon.socket("web-1")).unwrap();

    let guest = Guest::boot(&Image::build().unwrap(), &near, GuestTask::Show(4096)).unwrap();
    let read = guest.bytes().unwrap();

    let served = proxy.served();
    assert_eq!(read.len(), 4096);
    // The guest's own kernel takes some blocks for itself, so there may be others between ours.
    let mut blocks = served.chunks(BLOCK);
    assert!(read.chunks(BLOCK).all(|block| blocks.any(|served| served == block)));
    assert!(served.len() <= read.len() + 64 * BLOCK, "{} bytes were served", served.len());
}
