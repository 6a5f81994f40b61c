//! Guests that want all they can get.

use std::collections::BTreeMap;

use entropool_tests::console::Count;
use entropool_tests::{Guest, GuestTask, Image};

use crate::{alone, start};

const WARM_UP: usize = 3;
const MEASURED: usize = 12;

#[test]
fn guests_get_what_the_tree_says() {
    let _machine = alone();
    let vms = ["web-1=default/gold", "web-2=default/gold", "batch-1=default/bronze"];
    let daemon = start(&vms);
    let image = Image::build().unwrap();
    let names = ["web-1", "web-2", "batch-1"];
    let guests = names
        .map(|name| (name, Guest::boot(&image, &daemon.socket(name), GuestTask::Flood { show: 0 }).unwrap()));

    for (_, guest) in &guests {
        // All of them, before any is measured.
        guest.count().unwrap();
    }
    let rates: BTreeMap<_, _> = guests.iter().map(|(name, guest)| (*name, rate(guest))).collect();

    println!("bytes a second in the guests: {rates:?}");
    let near = |rate: f64, kib: f64| (rate - kib * 1024.0).abs() <= 0.05 * kib * 1024.0;
    assert!(near(rates["web-1"] + rates["web-2"], 25.0), "{rates:?}");
    assert!(near(rates["web-1"], 12.5) && near(rates["web-2"], 12.5), "{rates:?}");
    assert!(near(rates["batch-1"], 7.0), "{rates:?}");
}

/// Of a flood that runs, over some seconds of the guest's own clock. All guests count on while one
/// is looked at, and their counts wait in order.
fn rate(guest: &Guest) -> f64 {
    let counts: Vec<Count> = (0..WARM_UP + MEASURED).map(|_| guest.count().unwrap()).collect();
    let (from, to) = (counts[WARM_UP - 1], counts[counts.len() - 1]);
    #[expect(clippy::cast_precision_loss, reason = "a guest reads far less than 2^53 bytes")]
    let bytes = (to.bytes - from.bytes) as f64;
    bytes / (to.uptime.as_secs_f64() - from.uptime.as_secs_f64())
}
