//! The five commands, however they are cut.

use entropool_tests::EgdClient;

use crate::{OPEN, beside_others, start};

#[test]
fn each_command_is_answered_in_its_form() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();

    assert!(client.level().unwrap() > 0);
    assert!(client.try_read(200).unwrap().len() <= 200);
    assert_eq!(client.read(255).unwrap().len(), 255);
    client.write(64, b"12345678").unwrap();
    assert!(client.pid().unwrap().parse::<u32>().unwrap() > 0);
}

#[test]
fn requests_for_nothing_are_answered_with_nothing() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();

    client.send(&[2, 0]).unwrap();
    client.write(0, &[]).unwrap();
    assert_eq!(client.try_read(0).unwrap(), b"");
    // Had 0x02 given a count, it would stand in the place of this one.
    assert!(!client.pid().unwrap().is_empty());
}

#[test]
fn a_pipeline_in_one_write_is_answered_in_order() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();

    client.send(&pipeline()).unwrap();
    expect_pipeline(&mut client);
}

#[test]
fn a_pipeline_in_single_bytes_is_answered_alike() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();

    for byte in pipeline() {
        client.send(&[byte]).unwrap();
    }
    expect_pipeline(&mut client);
}

#[test]
fn what_looks_like_commands_inside_given_entropy_is_not_obeyed() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();

    client.write(2040, &[4; 255]).unwrap();
    client.write(2040, &[0xff; 255]).unwrap();
    let pid = client.pid().unwrap();
    assert!(pid.parse::<u32>().is_ok(), "{pid:?}");
}

#[test]
fn given_entropy_earns_no_credit() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();

    let before = client.level().unwrap();
    client.write(2040, &[7; 255]).unwrap();
    assert!(client.level().unwrap() <= before, "nothing was taken, and the bucket was full");
}

#[test]
fn garbage_closes_its_own_connection_and_no_other() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any", "b=default/any"]);
    let mut neighbour = EgdClient::connect(&daemon.socket("b")).unwrap();
    let mut sibling = EgdClient::connect(&daemon.socket("a")).unwrap();
    sibling.read(16).unwrap();

    let mut bad = EgdClient::connect(&daemon.socket("a")).unwrap();
    bad.send(&[0x47, 0x45, 0x54]).unwrap();
    assert!(bad.is_closed());

    assert_eq!(sibling.read(16).unwrap().len(), 16);
    assert_eq!(neighbour.read(16).unwrap().len(), 16);
    let mut again = EgdClient::connect(&daemon.socket("a")).unwrap();
    assert_eq!(again.read(16).unwrap().len(), 16);
}

#[test]
fn two_reads_never_give_the_same_bytes() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any", "b=default/any"]);
    let mut first = EgdClient::connect(&daemon.socket("a")).unwrap();
    let mut second = EgdClient::connect(&daemon.socket("b")).unwrap();

    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for _ in 0..64 {
        blocks.push(first.read(16).unwrap());
        blocks.push(second.read(16).unwrap());
    }
    blocks.sort();
    // Compared, not shown: a failure must print no random byte.
    assert!(blocks.windows(2).all(|pair| pair[0] != pair[1]));
}

fn pipeline() -> Vec<u8> {
    let mut commands = vec![2, 3, 2, 255, 4, 2, 64];
    commands.extend([3, 0, 8, 2, 1, 1]);
    commands.extend([0, 1, 32, 2, 1, 4]);
    commands
}

fn expect_pipeline(client: &mut EgdClient) {
    client.receive(3 + 255).unwrap();
    let pid = client.counted().unwrap();
    assert!(pid.iter().all(u8::is_ascii_digit) && !pid.is_empty());
    client.receive(64).unwrap();
    client.receive(4).unwrap();
    assert!(client.counted().unwrap().len() <= 32);
    client.receive(1).unwrap();
    // The whole reply was of the expected length only if the last of it is the same pid.
    assert!(client.counted().unwrap() == pid);
}
