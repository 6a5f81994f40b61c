#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::ops::Range;

use crate::condition::OUTPUT;
use crate::engine::Serving;
use crate::fake::{Fake, FakeBehaviour, FakeNode, SECOND, device, pool};
use crate::health::{HealthState, MinEntropy};
use crate::spec::{OnFailure, Output, PoolSpec, SourceKind, SourceSpec};

const ALL: [Output; 3] = [Output::Stretched, Output::FullEntropy, Output::Raw];

/// A node with one pool of one source.
fn single(output: Output) -> FakeNode {
    with(pool(output, &[device("trng", 0)]))
}

/// A node with as many sources as the pool names.
fn with(spec: PoolSpec) -> FakeNode {
    let fakes: Vec<_> = (1..=spec.sources.len() as u64).map(Fake::new).collect();
    let mut node = FakeNode::new(&fakes);
    node.add(spec);
    node.run_until_idle();
    node
}

fn kernel(tier: u32) -> SourceSpec {
    SourceSpec { kind: SourceKind::Kernel, min_entropy: None, ..device("kernel", tier) }
}

fn unseeded(_: &mut [u8]) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Draws all bytes that were already made.
fn drain(node: &mut FakeNode) -> usize {
    node.draw(0, 1 << 20).len()
}

fn assert_all_different(bytes: &[u8]) {
    let windows: HashSet<&[u8]> = bytes.windows(16).collect();
    assert_eq!(windows.len() + 15, bytes.len(), "some 16 bytes came twice");
}

#[test]
fn no_byte_is_served_twice_whatever_is_promised() {
    for output in ALL {
        let mut node = single(output);
        let drawn = node.draw(0, 200_000);
        assert_eq!(drawn.len(), 200_000, "{output:?}");
        assert_all_different(&drawn);
        assert_eq!(node.status(0).serving, Serving::Promised);
    }
}

#[test]
fn full_entropy_takes_three_hundred_and_twenty_assessed_bits_for_each_block() {
    for thousandths in [8000, 6000, 1000] {
        let h = MinEntropy::from_thousandths(thousandths).unwrap();
        let source = SourceSpec { min_entropy: Some(h), ..device("trng", 0) };
        let mut node = with(pool(Output::FullEntropy, &[source]));
        node.draw(0, 100_000);
        let (made, credited) = (node.status(0).bytes_out, node.source(0, 0).stats.bytes_credited);
        let blocks = made / OUTPUT as u64;
        let needed = blocks * 320_000_u64.div_ceil(u64::from(thousandths));
        assert!(credited >= needed, "{made} bytes of {credited} samples of {thousandths} thousandths");
        assert!(credited <= needed + 20_000, "and no more than waits in the queues");
    }
}

#[test]
fn an_unassessed_source_gives_stretched_bytes_and_no_credit() {
    let source = SourceSpec { min_entropy: None, ..device("trng", 0) };
    let mut node = with(pool(Output::Stretched, std::slice::from_ref(&source)));
    assert_eq!(node.draw(0, 10_000).len(), 10_000);
    assert_eq!(node.source(0, 0).stats.bytes_credited, 0);
    let mut node = with(pool(Output::FullEntropy, &[device("good", 0), source]));
    assert_eq!(node.draw(0, 10_000).len(), 10_000);
    let credited = |node: &FakeNode, at| node.source(0, at).stats.bytes_credited;
    assert!(credited(&node, 0) > 0);
    assert!(node.source(0, 1).stats.bytes_in > 0, "mixed in");
    assert_eq!(credited(&node, 1), 0, "without credit");
    node.fake(0).set_behaviour(FakeBehaviour::Broken);
    drain(&mut node);
    assert_eq!((node.status(0).serving, node.status(0).healthy), (Serving::Held, 0));
}

#[test]
fn a_slow_source_delays_no_byte_until_the_seed_expires() {
    // A seed takes 3,200 samples, of which 8,192 wait.
    let low_entropy = SourceSpec { min_entropy: MinEntropy::from_thousandths(100), ..device("trng", 0) };
    let mut node = with(pool(Output::Stretched, &[low_entropy]));
    node.fake(0).set_behaviour(FakeBehaviour::Dry);
    let drawn = node.draw(0, 100 << 20).len();
    assert!((64 << 20..70 << 20).contains(&drawn), "64 MiB of the last seed: {drawn}");
    assert_eq!(node.status(0).serving, Serving::Promised, "a slow source is no failure");
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    node.advance(SECOND);
    assert_eq!(node.draw(0, 1000).len(), 1000);
}

#[test]
fn a_higher_tier_serves_only_while_the_lower_is_unhealthy() {
    for output in ALL {
        let mut node = with(pool(output, &[device("first", 0), device("reserve", 1)]));
        node.draw(0, 10_000);
        let active = |node: &FakeNode| [0, 1].map(|at| node.source(0, at).active);
        assert_eq!(active(&node), [true, false]);
        assert_eq!(node.source(0, 1).stats.bytes_credited, 0, "{output:?}");
        node.fake(0).set_behaviour(FakeBehaviour::Broken);
        node.advance(10 * SECOND);
        assert_eq!(node.draw(0, 3 << 20).len(), 3 << 20, "failing over interrupts nothing");
        assert_eq!(active(&node), [false, true]);
        node.fake(0).set_behaviour(FakeBehaviour::Good);
        node.advance(60 * SECOND);
        assert_eq!(active(&node), [true, false], "{output:?}");
    }
}

#[test]
fn a_kernel_in_reserve_keeps_only_a_stretched_pool_serving() {
    for (output, serving) in [(Output::Stretched, Serving::Promised), (Output::FullEntropy, Serving::Held)] {
        let mut node = with(pool(output, &[device("trng", 0), kernel(1)]));
        node.fake(0).set_behaviour(FakeBehaviour::Broken);
        node.advance(10 * SECOND);
        node.draw(0, 4 << 20);
        assert_eq!(node.status(0).serving, serving);
    }
}

#[test]
fn hold_is_obeyed_through_five_hundred_failures_and_ends_within_a_second() {
    let mut run = soak::Run::begin("source-failures", 500, 50_000);
    let mut slowest = 0;
    for _ in 0..run.count().div_ceil(500) {
        for output in [Output::FullEntropy, Output::Raw] {
            slowest = slowest.max(fail_and_recover(output, 250));
        }
    }
    run.figure("slowest_recovery_ms", slowest / (SECOND / 1000));
}

/// Fails a source so often, in every way in turn, and repairs it each time; returns the longest time that its pool took
/// to recover.
fn fail_and_recover(output: Output, times: usize) -> u64 {
    let mut slowest = 0;
    let faults = [
        FakeBehaviour::Broken,
        FakeBehaviour::Ended,
        FakeBehaviour::Missing,
        FakeBehaviour::Stuck(9),
        FakeBehaviour::Biased,
    ];
    let mut node = single(output);
    let mut all = vec![];
    for failure in 0..times {
        node.fake(0).set_behaviour(faults[failure % faults.len()]);
        let made = node.status(0).bytes_out;
        all.extend(node.draw(0, 1 << 20));
        assert_eq!(node.status(0).serving, Serving::Held, "failure {failure}");
        let late = node.status(0).bytes_out - made;
        assert!(late <= 16_384, "only bytes of samples that passed: {late}");
        node.advance(SECOND / 4);
        assert!(node.draw(0, 1).is_empty(), "failure {failure}");
        let message = node.status(0).message;
        assert!(message.starts_with("holds: source trng "), "{message}");
        assert!(message.contains("); 0 of 1 sources are healthy and 1 must be"), "{message}");

        node.fake(0).set_behaviour(FakeBehaviour::Good);
        if node.state(0, 0) == HealthState::Failed {
            node.retest(0, 0);
        }
        let back = node.now;
        while node.status(0).serving != Serving::Promised {
            assert!(node.now - back < SECOND, "failure {failure}: it still holds after a second");
            node.advance(SECOND / 1000);
        }
        slowest = slowest.max(node.now - back);
        all.extend(node.draw(0, 100));
    }
    assert_all_different(&all);
    slowest
}

#[test]
fn every_block_has_an_equal_share_of_every_source() {
    let mut node =
        with(pool(Output::FullEntropy, &[device("one", 0), device("other", 0), device("third", 0)]));
    let credited = |node: &FakeNode, at| node.source(0, at).stats.bytes_credited;
    for at in 0..3 {
        node.fake(at).set_behaviour(FakeBehaviour::Dry);
    }
    drain(&mut node);
    // A source alone gives nothing, however much it has.
    node.fake(0).set_behaviour(FakeBehaviour::Burst(6000));
    node.advance(SECOND);
    assert!(drain(&mut node) <= 32 * 2);
    // 14 samples of each of the others make the next block.
    let before = [credited(&node, 1), credited(&node, 2)];
    for at in [1, 2] {
        node.fake(at).set_behaviour(FakeBehaviour::Burst(14 * 10));
    }
    node.advance(SECOND);
    assert_eq!([credited(&node, 1), credited(&node, 2)], before.map(|before| before + 140));
    assert!((9 * 32..=11 * 32).contains(&drain(&mut node)));
}

#[test]
fn a_stretched_pool_holds_at_once_though_its_seed_is_not_used_up() {
    let mut node = single(Output::Stretched);
    node.draw(0, 1000);
    node.retest(0, 0);
    node.fake(0).set_behaviour(FakeBehaviour::Stuck(1));
    let left = drain(&mut node);
    assert!(left < 16_384, "{left}");
    assert_eq!(node.status(0).serving, Serving::Held);
}

/// An edit that keeps the sources, of a pool whose source gives three bytes a second.
#[test]
fn an_edit_does_not_hold_a_slow_pool() {
    for output in ALL {
        let spec = pool(output, &[device("trng", 0)]);
        let renamed = PoolSpec { on_failure: OnFailure::Degrade, ..pool(output, &[device("other", 0)]) };
        let renamed = PoolSpec {
            sources: vec![
                SourceSpec { kind: spec.sources[0].kind.clone(), ..renamed.sources[0].clone() },
                kernel(0),
            ],
            ..renamed
        };
        let mut node = single(output);
        let mut all = node.draw(0, 1000);
        let waits = node.supply(0).waiting();
        node.fake(0).set_behaviour(FakeBehaviour::Dry);
        let first = node.edit(renamed.clone());
        assert_eq!(node.state(first, 0), HealthState::Healthy, "no start-up test");
        assert_eq!(node.status(first).serving, Serving::Promised);
        assert!(node.supply(first).waiting() >= waits, "what was made is served");
        // A block takes 40 samples: 20 before an edit and 20 after it.
        if output != Output::Stretched {
            // Of a slow source less is held back.
            for sample in 200..204 {
                give_slowly(&mut node, sample..sample + 1);
                all.extend(node.draw(first, 1 << 20));
            }
            let before = all.len();
            give_slowly(&mut node, 0..20);
            all.extend(node.draw(first, 1 << 20));
            let read = node.source(first, 0).stats.bytes_in;
            let second = node.edit(spec.clone());
            assert_eq!(node.source(second, 0).stats.bytes_in, read, "the counters go on");
            give_slowly(&mut node, 20..40);
            all.extend(node.draw(second, 1 << 20));
            let made = all.len() - before;
            assert!(output == Output::Raw || made == 32, "the samples of both make a block: {made}");
        }
        let last = node.edit(PoolSpec { min_healthy: 1, ..renamed });
        node.fake(0).set_behaviour(FakeBehaviour::Good);
        all.extend(node.draw(last, 10_000));
        assert_all_different(&all);
    }
}

#[test]
fn an_edit_that_removes_or_doubts_a_source_keeps_nothing_of_it() {
    let both = pool(Output::FullEntropy, &[device("one", 0), device("other", 0)]);
    let lower = SourceSpec { min_entropy: MinEntropy::from_thousandths(4000), ..device("one", 0) };
    for edited in [pool(Output::FullEntropy, &[device("one", 0)]), pool(Output::FullEntropy, &[lower])] {
        let mut node = with(both.clone());
        for behaviour in [FakeBehaviour::Dry, FakeBehaviour::Burst(200)] {
            drain(&mut node);
            for at in [0, 1] {
                node.fake(at).set_behaviour(behaviour);
            }
            node.advance(SECOND);
        }
        assert!(node.supply(0).waiting() >= 9 * 32);
        let edited = node.edit(edited);
        assert_eq!(node.supply(edited).waiting(), 0);
    }
}

#[test]
fn a_source_that_fails_after_an_edit_voids_what_was_made_before_it() {
    let spec = pool(Output::FullEntropy, &[device("trng", 0)]);
    let mut node = single(Output::FullEntropy);
    node.draw(0, 1000);
    node.fake(0).set_behaviour(FakeBehaviour::Dry);
    let edited = node.edit(PoolSpec { on_failure: OnFailure::Degrade, ..spec });
    node.draw(edited, 2000);
    assert!(node.supply(edited).waiting() > 1000);
    node.fake(0).set_behaviour(FakeBehaviour::Stuck(7));
    node.advance(30 * SECOND);
    assert_eq!(node.state(edited, 0), HealthState::Failed);
    assert!(node.supply(edited).is_degraded(), "none of the promised bytes is left");
}

/// Three bytes a second.
fn give_slowly(node: &mut FakeNode, samples: Range<u8>) {
    for sample in samples {
        node.fake(0).set_behaviour(FakeBehaviour::Once(sample.wrapping_mul(37) ^ 0x5a));
        node.advance(SECOND / 3);
    }
}

#[test]
fn too_few_of_several_sources_are_too_few() {
    let mut spec = pool(Output::FullEntropy, &[device("one", 0), device("other", 0)]);
    spec.min_healthy = 2;
    let mut node = with(spec);
    assert_eq!(node.draw(0, 10_000).len(), 10_000);
    node.fake(1).set_behaviour(FakeBehaviour::Ended);
    drain(&mut node);
    assert_eq!(node.status(0).serving, Serving::Held);
    assert_eq!(node.state(0, 0), HealthState::Healthy);
    node.fake(1).set_behaviour(FakeBehaviour::Good);
    node.advance(60 * SECOND);
    assert_eq!(node.draw(0, 10_000).len(), 10_000);
}

#[test]
fn degraded_bytes_are_marked_and_void_when_the_source_recovers() {
    let spec = PoolSpec { on_failure: OnFailure::Degrade, ..pool(Output::FullEntropy, &[device("trng", 0)]) };
    let mut node = with(spec);
    assert!(!node.supply(0).is_degraded());
    node.fake(0).set_behaviour(FakeBehaviour::Missing);
    let mut qualities = HashSet::new();
    for _ in 0..100 {
        qualities.insert(node.supply(0).is_degraded());
        assert_eq!(node.draw(0, 1000).len(), 1000, "a class that accepts them does not wait");
    }
    assert_eq!(qualities.len(), 2, "promised bytes first");
    assert!(node.supply(0).is_degraded());
    assert!(node.status(0).message.contains("onSourceFailure: Degrade"));
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    node.advance(60 * SECOND);
    assert_eq!(node.status(0).serving, Serving::Promised);
    assert!(!node.supply(0).is_degraded(), "degraded bytes are void");
    assert_eq!(node.draw(0, 1000).len(), 1000);
}

#[test]
fn new_sources_are_waited_for_before_anything_is_degraded() {
    let fake = Fake::new(1);
    fake.set_behaviour(FakeBehaviour::Dry);
    let mut node = FakeNode::new(&[fake]);
    node.add(PoolSpec { on_failure: OnFailure::Degrade, ..pool(Output::FullEntropy, &[device("trng", 0)]) });
    node.advance(9 * SECOND);
    assert_eq!((node.status(0).serving, node.draw(0, 1).len()), (Serving::Starting, 0));
    node.advance(2 * SECOND);
    assert_eq!(
        (node.status(0).serving, node.draw(0, 1).len()),
        (Serving::Degraded, 1),
        "a stall is a failure"
    );
}

#[test]
fn without_a_seeded_kernel_no_generator_gives_anything() {
    for output in [Output::Stretched, Output::FullEntropy] {
        let mut node = FakeNode::new(&[Fake::new(1)]);
        node.add_with(pool(output, &[device("trng", 0)]), unseeded);
        node.advance(10 * SECOND);
        assert_eq!((node.state(0, 0), node.draw(0, 1).len()), (HealthState::Healthy, 0), "{output:?}");
        let status = node.status(0);
        assert_eq!(status.serving, Serving::Starting, "{output:?}");
        assert!(status.message.starts_with("starts: the kernel's generator is not seeded"), "{output:?}");
    }
}

#[test]
fn a_kernel_is_healthy_once_it_is_seeded() {
    thread_local! { static SEEDED: Cell<bool> = const { Cell::new(false) }; }
    let kernel_bytes: fn(&mut [u8]) -> io::Result<()> =
        |space| if SEEDED.get() { crate::kernel::Kernel::bytes(space) } else { unseeded(space) };
    let mut node = FakeNode::new(&[Fake::new(1)]);
    node.add_with(pool(Output::Stretched, &[kernel(0), device("trng", 0)]), kernel_bytes);
    node.advance(SECOND);
    let source = node.source(0, 0);
    assert_eq!((source.state, source.reason), (HealthState::Unavailable, Some("NotSeeded")));
    assert!(source.message.contains("is not seeded yet") && !source.active, "{}", source.message);
    assert_eq!((node.status(0).healthy, node.draw(0, 1).len()), (1, 0));
    SEEDED.set(true);
    node.advance(SECOND);
    let source = node.source(0, 0);
    assert_eq!((source.state, source.reason, source.active), (HealthState::Healthy, None, true));
    assert_eq!((node.status(0).healthy, node.draw(0, 100).len()), (2, 100));
}

#[test]
fn raw_samples_are_served_of_whatever_a_source_has() {
    for thousandths in [6000, 1000, 100, 1] {
        let source =
            SourceSpec { min_entropy: MinEntropy::from_thousandths(thousandths), ..device("trng", 0) };
        let mut node = with(pool(Output::Raw, &[source]));
        node.advance(SECOND);
        assert_eq!(node.draw(0, 20_000).len(), 20_000, "{thousandths}");
    }
}

#[test]
fn a_thousandth_of_a_bit_is_tested_and_conditioned() {
    let source = || SourceSpec { min_entropy: MinEntropy::from_thousandths(1), ..device("trng", 0) };
    let mut node = with(pool(Output::FullEntropy, &[source()]));
    node.advance(SECOND);
    assert_eq!(node.draw(0, 64).len(), 64);
    let stats = node.source(0, 0).stats;
    assert!(stats.bytes_in >= 524_288 + stats.bytes_credited, "{stats:?}");
    // The first block is the generator's seed.
    assert!(stats.bytes_credited >= 3 * 320_000, "{stats:?}");
    // A stuck source never leaves its start-up test, which is longer than the permanent cutoff, 80,001.
    let fake = Fake::new(1);
    fake.set_behaviour(FakeBehaviour::Stuck(7));
    let mut node = FakeNode::new(&[fake]);
    node.add(pool(Output::FullEntropy, &[source()]));
    node.advance(SECOND);
    let source = node.source(0, 0);
    assert_eq!((source.state, source.reason), (HealthState::Failed, Some("RepetitionCount")));
    assert_eq!((source.stats.bytes_credited, node.draw(0, 1).len()), (0, 0));
}

#[test]
fn an_alarm_drops_the_samples_of_the_next_block() {
    let mut node = single(Output::FullEntropy);
    exhaust(&mut node);
    for _ in 0..2 {
        // Half a block, an alarm, and a start-up test.
        feed(&mut node, (0..20).map(|at| 100 + at));
        feed(&mut node, std::iter::repeat_n(7, 9));
        assert_eq!(node.state(0, 0), HealthState::Suspect);
        node.fake(0).set_behaviour(FakeBehaviour::Burst(1024));
        node.advance(SECOND);
        drain(&mut node);
    }
    feed(&mut node, (0..39).map(|at| 100 + at));
    assert_eq!(node.draw(0, 32).len(), 0, "39 samples are one too few");
    // The last ones are held back until others follow.
    feed(&mut node, [200, 201, 202]);
    assert_eq!(node.draw(0, 32).len(), 32);
}

#[test]
fn a_reset_voids_all_bytes_and_tests_all_sources() {
    for output in ALL {
        let mut node = single(output);
        node.draw(0, 100);
        assert!(node.supply(0).level() > 255);
        let read = node.source(0, 0).stats.bytes_in;
        node.fake(0).set_behaviour(FakeBehaviour::Dry);
        node.reset(0);
        assert_eq!(node.supply(0).level(), 0, "{output:?}");
        assert!(node.draw(0, 100).is_empty());
        assert_eq!(node.state(0, 0), HealthState::Starting);
        node.fake(0).set_behaviour(FakeBehaviour::Good);
        node.advance(SECOND);
        assert_eq!(node.draw(0, 100).len(), 100);
        assert!(node.source(0, 0).stats.bytes_in >= read + 1024);
    }
}

#[test]
fn a_failed_source_stays_failed_through_clones_and_edits_until_a_retest() {
    let mut node = FakeNode::new(&[Fake::new(1)]);
    let spec = pool(Output::FullEntropy, &[device("trng", 0)]);
    let first = node.add(spec.clone());
    node.fake(0).set_behaviour(FakeBehaviour::Stuck(3));
    node.run_until_idle();
    assert_eq!(node.state(first, 0), HealthState::Failed);
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    for _ in 0..5 {
        node.reset(first);
        node.advance(SECOND);
        assert_eq!(node.state(first, 0), HealthState::Failed, "a clone forgives nothing");
    }
    for _ in 0..50 {
        let edited = node.add(spec.clone());
        node.advance(SECOND);
        let source = node.source(edited, 0);
        assert_eq!((source.state, source.reason), (HealthState::Failed, Some("RepetitionCount")));
        assert!(source.message.starts_with("the same byte came"), "{}", source.message);
    }
    let lower = SourceSpec { min_entropy: MinEntropy::from_thousandths(500), ..device("trng", 0) };
    let lower = pool(Output::FullEntropy, &[lower]);
    let other = node.add(PoolSpec { name: "other".into(), ..lower.clone() });
    let lower = node.add(lower);
    node.advance(SECOND);
    assert_eq!(node.state(lower, 0), HealthState::Failed, "an edit of the claim forgives nothing");
    assert_eq!(node.state(other, 0), HealthState::Healthy, "a lower claim of another pool is another one");

    node.fake(0).set_behaviour(FakeBehaviour::Stuck(4));
    node.retest(first, 0);
    node.advance(SECOND);
    let edited = node.add(spec.clone());
    assert_eq!(
        [first, edited].map(|pool| node.state(pool, 0)),
        [HealthState::Failed; 2],
        "a retest may fail"
    );
    node.fake(0).set_behaviour(FakeBehaviour::Dry);
    node.retest(first, 0);
    node.advance(SECOND);
    assert!(node.source(first, 0).retesting);
    let edited = node.add(spec.clone());
    assert_eq!(node.state(edited, 0), HealthState::Failed, "a retest without a verdict forgives nothing");

    node.fake(0).set_behaviour(FakeBehaviour::Good);
    node.advance(SECOND);
    assert!(!node.source(first, 0).retesting);
    let after = node.add(spec);
    node.advance(SECOND);
    assert_eq!([first, after].map(|pool| node.state(pool, 0)), [HealthState::Healthy; 2]);
}

#[test]
fn a_waiting_event_loop_is_woken_when_bytes_come_and_no_other() {
    let mut node = single(Output::FullEntropy);
    assert_eq!(node.wakes(0), 0, "a full supply does not wake");
    exhaust(&mut node);
    let wakes = node.wakes(0);
    node.advance(SECOND);
    assert_eq!(node.wakes(0), wakes, "nothing came");
    for byte in 100..140 {
        assert_eq!((node.wakes(0), node.supply(0).level()), (wakes, 0));
        feed(&mut node, [byte]);
        if node.wakes(0) > wakes {
            break;
        }
    }
    assert_eq!(node.wakes(0), wakes + 1);
    assert_eq!(node.supply(0).level(), 32, "a slow source's bytes are not held back until there are many");
}

#[test]
fn bytes_made_before_a_permanent_alarm_are_void() {
    for output in ALL {
        let mut node = single(output);
        node.fake(0).set_behaviour(FakeBehaviour::Dry);
        // But for a generator, whose bytes are made again at once.
        while output != Output::Stretched && node.supply(0).level() > 2000 {
            node.draw(0, 500);
        }
        assert!(node.supply(0).level() > 255, "{output:?}");
        node.fake(0).set_behaviour(FakeBehaviour::Stuck(7));
        node.advance(30 * SECOND);
        assert_eq!(node.state(0, 0), HealthState::Failed, "{output:?}");
        assert_eq!(node.supply(0).level(), 0, "{output:?}");
        assert!(node.draw(0, 1).is_empty());
    }
}

#[test]
fn no_sample_of_a_window_that_failed_is_served_raw() {
    for good in [600, 1000, 3000] {
        let mut node = single(Output::Raw);
        node.draw(0, 10_000);
        node.fake(0).set_behaviour(FakeBehaviour::Burst(good));
        let mut drawn = node.draw(0, 1 << 20);
        let given = node.fake(0).output().len();
        node.fake(0).set_behaviour(FakeBehaviour::Stuck(9));
        drawn.extend(node.draw(0, 1 << 20));
        assert_eq!(node.state(0, 0), HealthState::Failed);
        let window = &node.fake(0).output()[given - 512..given];
        let tail = &window[512 - 8..];
        assert!(!drawn.windows(8).any(|bytes| bytes == tail), "{good}");
    }
}

#[test]
fn reserved_bytes_are_not_granted_again() {
    let mut node = single(Output::Raw);
    let level = node.supply(0).level();
    let supply = node.supply(0);
    supply.reserve(255);
    assert_eq!(supply.level(), level - 255);
    assert_eq!(supply.with_bytes(100, |bytes| Ok(bytes.len())).unwrap(), 100);
    assert_eq!(supply.level(), level - 255);
    supply.release(155);
    assert_eq!(supply.level(), level - 100);
}

/// Has the source return these bytes, one by one.
/// Serves all that the source gave, also what is held back; then it gives nothing.
fn exhaust(node: &mut FakeNode) {
    node.fake(0).set_behaviour(FakeBehaviour::Dry);
    drain(node);
    for sample in 50..58 {
        feed(node, [sample]);
        drain(node);
    }
}

fn feed(node: &mut FakeNode, bytes: impl IntoIterator<Item = u8>) {
    for byte in bytes {
        node.fake(0).set_behaviour(FakeBehaviour::Once(byte));
        node.advance(SECOND / 5);
    }
}
