//! How many connections a VM that is no QEMU may have: what its class says.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::{Home, PATIENCE, entropool, output};

/// A pool whose VMs are given one grant and no more, and may have so many connections.
fn manifest(connections: &str) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{defaultClass: web}}}}\n\
         ---\n\
         {{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {{name: web}}, spec: {{pool: default, perVM: \
         {{ceil: 1/d, cburst: '1', maxConnections: {connections}}}}}}}\n"
    )
}

/// Whether the daemon keeps the connection open and says nothing.
fn waits(socket: &UnixStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let read = (&*socket).read(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn class_says_how_many_connections_its_vms_have_and_none_is_closed_while_it_waits() {
    let home = Home::new();
    home.write("pools.yaml", &manifest("2"));
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default,client=egd"]);
    let ask = |command: &[u8]| {
        let mut socket = UnixStream::connect(home.socket("a")).unwrap();
        socket.write_all(command).unwrap();
        socket
    };
    let mut spender = ask(&[2, 255]);
    spender.set_read_timeout(Some(PATIENCE)).unwrap();
    spender.read_exact(&mut [0; 255]).unwrap();
    drop(spender);
    let (first, second) = (ask(&[2, 64]), ask(&[2, 64]));
    assert!(waits(&first) && waits(&second));
    // One more waits for its turn, even for a question that is answered at once.
    let mut third = ask(&[0]);
    assert!(waits(&third));
    assert_eq!(daemon.json(&["vms"])["vms"][0]["connections"], 2);

    home.write("pools.yaml", &manifest("3"));
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    third.read_exact(&mut [0; 4]).unwrap();
    // It has its answer and waits for nothing now, so it makes room.
    let fourth = ask(&[2, 64]);
    assert_eq!(third.read(&mut [0]).unwrap(), 0, "closed for a newer one");
    assert!(waits(&first) && waits(&second) && waits(&fourth));

    // Fewer than there are close none that waits.
    home.write("pools.yaml", &manifest("1"));
    let fifth = ask(&[0]);
    assert!(waits(&fifth) && waits(&first) && waits(&second) && waits(&fourth));
    assert_eq!(daemon.json(&["vms"])["vms"][0]["connections"], 3);
}

#[test]
fn number_of_connections_out_of_range_is_refused_with_a_sentence() {
    let home = Home::new();
    home.write("good.yaml", &manifest("2"));
    for (number, problem) in [
        ("0", "0 is out of range: write an integer from 1 to 1024"),
        ("1025", "1025 is out of range: write an integer from 1 to 1024"),
        ("many", "expected an integer from 1 to 1024, found the string \"many\""),
    ] {
        let sentence = format!("bad.yaml:3: EntropyClass web: spec.perVM.maxConnections: {problem}");
        home.write("bad.yaml", &manifest(number));
        let plan = output(
            entropool(["plan", "--file", "bad.yaml", "--from", "good.yaml"]).current_dir(home.path(".")),
        );
        let said = String::from_utf8_lossy(&plan.stdout) + String::from_utf8_lossy(&plan.stderr);
        assert!(plan.status.code() == Some(1) && said.contains(&sentence), "{number}: {said}");
    }
    home.write("more.yaml", &manifest("400"));
    let plan =
        output(entropool(["plan", "--file", "more.yaml", "--from", "good.yaml"]).current_dir(home.path(".")));
    let said = String::from_utf8(plan.stdout).unwrap();
    assert!(said.contains("perVM.maxConnections 2 -> 400") && said.contains("gains"), "{said}");
}
