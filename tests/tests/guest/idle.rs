//! A guest that asks for nothing.

use std::thread;
use std::time::Duration;

use entropool_tests::{Guest, GuestTask, Image};

use crate::{alone, start};

#[test]
fn nothing_wakes_the_daemon_when_nothing_is_asked() {
    let _machine = alone();
    let daemon = start(&["web-1=default/gold", "web-2=default/gold", "batch-1=default/bronze"]);
    let guest = Guest::boot(&Image::build().unwrap(), &daemon.socket("web-1"), GuestTask::Idle).unwrap();
    guest.done().unwrap();

    let before = daemon.process().unwrap().sleeps().unwrap();
    // What is shown is that time passes and nothing happens.
    thread::sleep(Duration::from_secs(10));
    assert_eq!(
        daemon.process().unwrap().sleeps().unwrap(),
        before,
        "each thread, and how often it went to sleep"
    );
}
