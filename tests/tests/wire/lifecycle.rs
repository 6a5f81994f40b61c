//! Beginning and end of a daemon, and of a VM in it.

use entropool_tests::EgdClient;

use crate::{OPEN, beside_others, start};

#[test]
fn sigterm_serves_what_is_asked_and_leaves_nothing_behind() {
    let _machine = beside_others();
    let mut daemon = start(OPEN, &["a=default/any"]);
    let mut client = EgdClient::connect(&daemon.socket("a")).unwrap();
    client.read(1).unwrap();

    client.send(&[2, 255].repeat(16)).unwrap();
    daemon.terminate().unwrap();

    assert_eq!(client.receive(16 * 255).unwrap().len(), 16 * 255);
    assert!(client.is_closed());
    assert_eq!(daemon.ended().unwrap().code(), Some(0));
    assert!(!daemon.socket("a").exists());
    assert!(!daemon.host().run_dir().join("api.sock").exists());
}

#[test]
fn a_vm_can_be_attached_moved_and_detached() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);
    let ask = |words: &[&str]| {
        let output = daemon.host().ask(words).unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };

    ask(&["attach", "b=default/any,client=egd"]);
    let mut client = EgdClient::connect(&daemon.socket("b")).unwrap();
    client.read(16).unwrap();
    assert!(ask(&["vms"]).contains('b'));
    ask(&["detach", "b"]);
    assert!(client.is_closed());
    assert!(!daemon.socket("b").exists());
}

#[test]
fn a_question_about_a_vm_that_is_not_there_fails_with_its_name() {
    let _machine = beside_others();
    let daemon = start(OPEN, &["a=default/any"]);

    for words in [["detach", "nobody"], ["explain", "nobody"]] {
        let output = daemon.host().ask(words).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("nobody"), "{words:?}");
    }
}

#[test]
fn a_question_to_no_daemon_says_which_socket_was_tried() {
    let _machine = beside_others();
    let host = crate::host(OPEN);
    let output = host.ask(["vms"]).unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("api.sock") && said.contains("--api"), "{said}");
}
