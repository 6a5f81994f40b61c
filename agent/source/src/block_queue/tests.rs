#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{BLOCK, BLOCKS, Consumer, Producer, Quality, block_queue};
use crate::supply::Supply;
use crate::waker::EngineWaker;

/// What a slow source's conditioner gives at once.
const FEW: usize = 32;
/// EGD's largest request: nothing is granted while there is less.
const REQUEST: usize = 255;

/// A queue, and how often the event loop was woken.
fn queue() -> (Producer, Consumer, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let wake = Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let (producer, consumer) = block_queue(Arc::new(EngineWaker::default()), wake).unwrap();
    (producer, consumer, wakes)
}

/// Puts `count` bytes of this value in, as far as there is room; returns how many.
fn make(producer: &mut Producer, count: usize, byte: u8) -> usize {
    let mut left = count;
    let made = producer.fill(Quality::Promised, |space| {
        let now = left.min(space.len());
        space[..now].fill(byte);
        left -= now;
        Ok(now)
    });
    usize::try_from(made.unwrap()).unwrap()
}

#[test]
fn bytes_that_come_a_few_at_a_time_add_up_to_a_request() {
    let (mut producer, consumer, wakes) = queue();
    let supply = Supply::of(consumer).unwrap();
    let mut made = 0;
    while made < REQUEST {
        assert_eq!(supply.level(), made as u64, "none is taken before a whole request can be granted");
        let before = wakes.load(Ordering::SeqCst);
        assert_eq!(make(&mut producer, FEW, 7), FEW, "after {made} bytes there is no room for more");
        assert_eq!(wakes.load(Ordering::SeqCst), before + 1, "the loop was not woken");
        made += FEW;
    }
    assert!(supply.level() >= REQUEST as u64);
}

#[test]
fn a_queue_that_is_not_read_fills_up_and_keeps_the_order() {
    let (mut producer, mut consumer, _) = queue();
    let mut expected = vec![];
    for byte in 0..=u8::MAX {
        consumer.receive();
        consumer.request_more();
        expected.extend(vec![byte; make(&mut producer, FEW + usize::from(byte), byte)]);
    }
    consumer.receive();
    let level = usize::try_from(consumer.level(Quality::Promised)).unwrap();
    assert!((BLOCK * BLOCKS / 2..=BLOCK * BLOCKS).contains(&level), "{level}");
    let mut found = vec![0; level];
    let mut filled = 0;
    while filled < level {
        filled += consumer.read(&mut found[filled..]);
    }
    assert_eq!(found, expected[..level]);
    assert!(make(&mut producer, FEW, 0) > 0, "emptied buffers are returned");
}

#[test]
fn bytes_of_different_quality_are_not_merged() {
    let (mut producer, mut consumer, _) = queue();
    for quality in [Quality::Promised, Quality::Degraded] {
        consumer.request_more();
        let mut once = Some(FEW);
        producer.fill(quality, |_| Ok(once.take().unwrap_or(0))).unwrap();
        consumer.receive();
    }
    assert_eq!(consumer.front(), Some((Quality::Promised, 0)));
    assert_eq!(consumer.level(Quality::Promised), FEW as u64);
    consumer.read(&mut [0; FEW]);
    assert_eq!(consumer.front(), Some((Quality::Degraded, 0)));
}

#[test]
fn a_draw_that_finds_too_little_is_woken_for_all_that_comes() {
    let (mut producer, consumer, wakes) = queue();
    let mut supply = Supply::of(consumer).unwrap();
    let draw = |supply: &mut Supply| supply.with_bytes(FEW, |bytes| Ok(bytes.len())).ok();
    for _ in 0..10 {
        assert_eq!(draw(&mut supply), None);
        let before = wakes.load(Ordering::SeqCst);
        make(&mut producer, FEW, 1);
        assert_eq!(wakes.load(Ordering::SeqCst), before + 1);
        assert_eq!(draw(&mut supply), Some(FEW));
    }
}
