//! A thousand VMs at once.

use std::io::Write;

use entropool_tests::{Daemon, EgdClient};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::report::MEMORY;
use crate::{OPEN, alone, host};

const VMS: usize = 1_000;

#[test]
fn a_thousand_vms_that_do_not_read_fit_in_64_mebibytes() {
    let _machine = alone();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let vms: Vec<_> = (0..VMS).map(|vm| format!("vm-{vm}=default/any,client=egd")).collect();
    let daemon = Daemon::start(host(OPEN), &vms).unwrap();

    let mut clients: Vec<_> = (0..VMS)
        .map(|vm| {
            let mut client = EgdClient::connect(&daemon.socket(&format!("vm-{vm}"))).unwrap().into_stream();
            // More than its socket takes, and half a command.
            client.write_all(&[2, 255].repeat(1_000)).unwrap();
            client.write_all(&[1, 9, 0, 4, 2]).unwrap();
            client
        })
        .collect();
    // Whoever is served now has seen all of that read: a batch reads everybody before it serves anybody.
    let last = clients.last_mut().unwrap();
    last.write_all(&[1]).unwrap();
    EgdClient::from(clients.swap_remove(0)).receive(64).unwrap();

    let memory = daemon.process().unwrap().resident().unwrap();
    println!("{VMS} VMs that do not read: {} KiB resident", memory / 1024);
    assert!(memory < MEMORY, "{memory} bytes");
}
