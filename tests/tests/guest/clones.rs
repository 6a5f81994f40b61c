//! A host that is restored twice from one image.

use std::collections::HashSet;

use entropool_tests::binary;
use entropool_tests::clones::{CloneImage, Drawn};

use crate::alone;

/// How often each clone draws from each pool.
const TIMES: usize = 8;
const POOLS: usize = 3;

/// All sequences of 16 bytes of each reply.
fn windows(drawn: &[Drawn]) -> HashSet<&[u8]> {
    drawn.iter().flat_map(|drawn| drawn.bytes.windows(16)).collect()
}

#[test]
fn two_clones_of_a_running_host_serve_no_equal_bytes() {
    let _machine = alone();
    let image = CloneImage::build(&binary::entropool().unwrap()).unwrap();
    let (guest, before) = image.boot().unwrap();
    image.save(guest).unwrap();
    let clones = ["one", "other"].map(|name| {
        let mut clone = image.restore(name).unwrap();
        clone.request(TIMES).unwrap();
        let (mut replies, mut noticed) = (0, false);
        // The log follows a second later.
        let drawn = clone.drawn(|line| {
            replies += usize::from(line.starts_with("bytes "));
            noticed |= line.contains("this host was cloned or restored");
            replies == TIMES * POOLS && noticed
        });
        drawn.unwrap()
    });
    let [original, one, other] = [&before, &clones[0], &clones[1]].map(|drawn| windows(drawn));
    assert!(one.len() > TIMES * POOLS * 200 && other.len() > TIMES * POOLS * 200 && original.len() > 600);
    for (one, other) in [(&one, &other), (&one, &original), (&other, &original)] {
        assert_eq!(one.intersection(other).count(), 0);
    }
}
