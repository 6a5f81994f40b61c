#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{BLOCK, BLOCKS, Consumer, Producer, Quality, pipe};
use crate::supply::Supply;
use crate::waker::EngineWaker;

/// What a slow source's conditioner gives at once.
const FEW: usize = 32;
/// EGD's largest request: nothing is granted while there is less.
const REQUEST: usize = 255;

/// A pipe, and how often the loop's bell was rung.
fn piped() -> (Consumer, Producer, Arc<AtomicUsize>) {
    let rings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rings);
    let ring = Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let (outlet, inlet) = pipe(Arc::new(EngineWaker::default()), ring).unwrap();
    (outlet, inlet, rings)
}

/// Has the engine make `count` bytes, all this one, if there is room; how many it made.
fn make(outlet: &mut Consumer, count: usize, byte: u8) -> usize {
    let mut left = count;
    let made = outlet.fill(Quality::Promised, |space| {
        let now = left.min(space.len());
        space[..now].fill(byte);
        left -= now;
        Ok(now)
    });
    usize::try_from(made.unwrap()).unwrap()
}

#[test]
fn bytes_that_come_by_the_few_add_up_to_what_the_loop_waits_for() {
    let (mut outlet, inlet, rings) = piped();
    let supply = Supply::of(inlet).unwrap();
    let mut made = 0;
    while made < REQUEST {
        assert_eq!(supply.level(), made as u64, "none is taken before a whole request can be granted");
        let before = rings.load(Ordering::SeqCst);
        assert_eq!(make(&mut outlet, FEW, 7), FEW, "after {made} bytes there is no room for more");
        assert_eq!(rings.load(Ordering::SeqCst), before + 1, "the loop sleeps on");
        made += FEW;
    }
    assert!(supply.level() >= REQUEST as u64);
}

#[test]
fn a_pipe_that_nobody_empties_fills_up_and_keeps_the_order() {
    let (mut outlet, mut inlet, _) = piped();
    let mut expected = vec![];
    for byte in 0..=u8::MAX {
        inlet.look();
        inlet.hunger();
        expected.extend(vec![byte; make(&mut outlet, FEW + usize::from(byte), byte)]);
    }
    inlet.look();
    let level = usize::try_from(inlet.level(Quality::Promised)).unwrap();
    assert!((BLOCK * BLOCKS / 2..=BLOCK * BLOCKS).contains(&level), "{level}");
    let mut found = vec![0; level];
    let mut filled = 0;
    while filled < level {
        filled += inlet.take(&mut found[filled..]);
    }
    assert_eq!(found, expected[..level]);
    assert!(make(&mut outlet, FEW, 0) > 0, "what was emptied went back");
}

#[test]
fn bytes_of_different_worth_are_not_put_together() {
    let (mut outlet, mut inlet, _) = piped();
    for grade in [Quality::Promised, Quality::Degraded] {
        inlet.hunger();
        let mut once = Some(FEW);
        outlet.fill(grade, |_| Ok(once.take().unwrap_or(0))).unwrap();
        inlet.look();
    }
    assert_eq!(inlet.next(), Some((Quality::Promised, 0)));
    assert_eq!(inlet.level(Quality::Promised), FEW as u64);
    inlet.take(&mut [0; FEW]);
    assert_eq!(inlet.next(), Some((Quality::Degraded, 0)));
}

#[test]
fn a_draw_that_finds_too_little_is_told_of_all_that_comes() {
    let (mut outlet, inlet, rings) = piped();
    let mut supply = Supply::of(inlet).unwrap();
    let draw = |supply: &mut Supply| supply.with_bytes(FEW, |bytes| Ok(bytes.len())).ok();
    for _ in 0..10 {
        assert_eq!(draw(&mut supply), None);
        let before = rings.load(Ordering::SeqCst);
        make(&mut outlet, FEW, 1);
        assert_eq!(rings.load(Ordering::SeqCst), before + 1);
        assert_eq!(draw(&mut supply), Some(FEW));
    }
}
