//! A host that was cloned, as its kernel says it: in a network namespace of its own, where a test may have the kernel
//! say it.
#![allow(unsafe_code)]

use std::fs;
use std::thread;

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::support::{Daemon, Home, draw};
use crate::upstream::random;

/// Bytes that a pool makes beforehand.
const BUFFERS: u64 = 8_192;
pub const CLONED: &[u8] = b"change@/devices/QEMUVGID:00\0ACTION=change\0SUBSYSTEM=acpi\0NEW_VMGENID=1\0";

/// A message to the kernel, which passes it on as its own to all who listen; needs the rights of root.
pub fn kernel_says(uevent: &[u8]) {
    // A netlink header: length, any type, a request, and nothing to be told apart by.
    let length = u32::try_from(16 + uevent.len()).unwrap().to_ne_bytes();
    let header = [&length[..], &16_u16.to_ne_bytes(), &1_u16.to_ne_bytes(), &[0; 8]].concat();
    send(&[&header, uevent].concat(), 0);
}

fn send(message: &[u8], group: u32) {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT)).unwrap();
    sendto(&socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, group)).unwrap();
}

/// Samples read by a source that nobody needs more of.
fn at_rest(daemon: &Daemon) -> u64 {
    let read = || daemon.json(&["sources"])["sources"][0]["bytesIn"].as_u64().unwrap();
    let (mut last, mut same) = (read(), 0);
    // Each question takes some milliseconds; whoever works does something meanwhile.
    for _ in 0..5_000 {
        let now = read();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if same == 20 {
            return last;
        }
    }
    panic!("it reads on, though nobody draws");
}

fn pool(path: &std::path::Path) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{output: \
         FullEntropy, sources: [{{name: trng, minEntropyPerByte: '8', file: {{path: {}}}}}]}}}}\n",
        path.display()
    )
}

#[test]
fn after_a_clone_all_bytes_are_discarded_and_sources_retested() {
    let test = || {
        // SAFETY: only this thread goes into another namespace, and it shares no table of descriptors that changes by it.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("a network namespace of its own: run as root");
        let home = Home::new();
        let path = home.path("noise");
        fs::write(&path, random(400_000)).unwrap();
        home.write("pools.yaml", &pool(&path));
        let mut daemon = home.start(&["-f", "pools.yaml", "--allow-test-sources", "--vm", "a=default"]);
        assert_eq!(draw(&home.socket("a"), 1_000), 1_000);
        let before = at_rest(&daemon);
        // What another program says is not believed: one line comes, not two.
        send(CLONED, 1);
        kernel_says(CLONED);
        daemon.wait_for("this host was cloned or restored");
        let read = at_rest(&daemon) - before;
        assert!(
            read >= 1_024 + BUFFERS / 32 * 40,
            "{read} samples do not test the source and fill all buffers anew"
        );
        assert_eq!(draw(&home.socket("a"), 1_000), 1_000);
        daemon.terminate();
        assert!(daemon.rest().iter().all(|line| !line.contains("cloned or restored")), "once is enough");
    };
    thread::spawn(test).join().unwrap();
}
