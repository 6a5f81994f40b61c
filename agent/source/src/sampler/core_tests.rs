//! One source of a Raw pool, whose output is the credited samples.
#![allow(clippy::unwrap_used)]

use crate::fake::{Fake, FakeBehaviour, FakeNode, SECOND, device, pool};
use crate::health::{HealthState, Limits, MinEntropy, SampleKind};
use crate::spec::Output;

/// A node with a healthy source, of which nothing was drawn yet.
fn healthy() -> FakeNode {
    let mut node = FakeNode::new(&[Fake::new(7)]);
    node.add(pool(Output::Raw, &[device("trng", 0)]));
    node.run_until_idle();
    assert_eq!(node.state(0, 0), HealthState::Healthy);
    node
}

fn cutoff() -> usize {
    let limits = Limits::new(SampleKind::Byte, MinEntropy::FULL_BYTE);
    limits.intermittent.repetition_count as usize
}

#[test]
fn the_samples_of_the_start_up_test_are_never_served() {
    let mut node = healthy();
    let drawn = node.draw(0, 100_000);
    assert_eq!(drawn.len(), 100_000);
    assert_eq!(
        drawn,
        node.fake(0).output()[1024..1024 + drawn.len()],
        "every byte after them, in order, once"
    );
}

#[test]
fn a_source_of_a_full_pool_is_only_probed() {
    let mut node = healthy();
    let (reads, output) = (node.fake(0).reads(), node.fake(0).output().len());
    assert!(output <= 32_768, "bounded");
    node.advance(100 * SECOND);
    assert_eq!((node.fake(0).reads(), node.fake(0).output().len()), (reads + 10, output + 5120));
    assert_eq!(node.state(0, 0), HealthState::Healthy);
}

#[test]
fn the_failure_of_an_idle_source_is_noticed() {
    for behaviour in [FakeBehaviour::Missing, FakeBehaviour::Dry, FakeBehaviour::Ended, FakeBehaviour::Broken]
    {
        let mut node = healthy();
        node.fake(0).set_behaviour(behaviour);
        node.advance(21 * SECOND);
        assert_ne!(node.state(0, 0), HealthState::Healthy, "{behaviour:?}");
    }
}

#[test]
fn a_stuck_source_is_detected_in_exactly_c_samples() {
    let mut node = healthy();
    node.draw(0, 20_000);
    node.fake(0).set_behaviour(FakeBehaviour::Dry);
    node.draw(0, 1_000_000);
    let before = node.source(0, 0).stats.bytes_in;
    for count in 1..=cutoff() {
        node.fake(0).set_behaviour(FakeBehaviour::Once(99));
        node.advance(SECOND);
        let source = node.source(0, 0);
        let served = node.draw(0, 100).len();
        assert_eq!(source.stats.bytes_in, before + count as u64);
        // None is served: their window has not ended.
        let expected =
            if count < cutoff() { (0, HealthState::Healthy, 0) } else { (1, HealthState::Suspect, 0) };
        assert_eq!((source.stats.repetition_count, source.state, served), expected, "after {count}");
    }
}

#[test]
fn a_stuck_source_serves_nothing_once_it_is_detected() {
    for stuck in [0, 77, 255] {
        let mut node = healthy();
        node.draw(0, 1000);
        node.fake(0).set_behaviour(FakeBehaviour::Stuck(stuck));
        let credited = node.source(0, 0).stats.bytes_credited;
        node.draw(0, 1_000_000);
        let source = node.source(0, 0);
        assert_eq!((source.state, source.stats.bytes_credited), (HealthState::Failed, credited));
        assert!(node.draw(0, 100).is_empty());
    }
}

#[test]
fn every_alarm_is_kept_with_its_offset_test_and_count() {
    let mut node = healthy();
    node.draw(0, 20_000);
    for (ordinal, permanent) in [(1, false), (2, false), (3, true)] {
        node.fake(0).set_behaviour(FakeBehaviour::Dry);
        node.draw(0, 1_000_000);
        let offset = node.source(0, 0).stats.bytes_in;
        for _ in 0..cutoff() {
            node.fake(0).set_behaviour(FakeBehaviour::Once(99));
            node.advance(SECOND);
        }
        let alarm = node.source(0, 0).alarms.last().unwrap().clone();
        assert_eq!((alarm.ordinal, &*alarm.test, alarm.permanent), (ordinal, "RepetitionCount", permanent));
        assert_eq!((alarm.offset, alarm.count), (offset + cutoff() as u64 - 1, cutoff() as u64));
        node.fake(0).set_behaviour(FakeBehaviour::Burst(1_200_000));
        node.draw(0, 1_100_000);
    }
    assert_eq!((node.source(0, 0).alarms.len(), node.state(0, 0)), (3, HealthState::Failed));
}

#[test]
fn a_biased_source_is_detected() {
    let mut node = healthy();
    node.fake(0).set_behaviour(FakeBehaviour::Biased);
    node.draw(0, 1_000_000);
    assert_eq!(node.state(0, 0), HealthState::Failed, "{:?}", node.source(0, 0));
}

#[test]
fn short_reads_lose_no_byte() {
    let mut node = healthy();
    for count in [1, 3, 64, 1000] {
        node.fake(0).set_behaviour(FakeBehaviour::Short(count));
        assert_eq!(node.draw(0, 5000).len(), 5000);
    }
    assert_eq!(node.state(0, 0), HealthState::Healthy);
}

#[test]
fn a_missing_source_is_reported_and_used_when_it_appears() {
    let fake = Fake::new(1);
    fake.set_behaviour(FakeBehaviour::Missing);
    let mut node = FakeNode::new(&[fake]);
    node.add(pool(Output::Raw, &[device("trng", 0)]));
    node.advance(SECOND);
    let source = node.source(0, 0);
    assert_eq!((source.state, source.reason), (HealthState::Unavailable, Some("ReadError")));
    assert_eq!(source.message, "/dev/fake cannot be opened: entity not found");
    assert!((3..=5).contains(&node.fake(0).opened()), "at 0, 100, 300 and 700 ms, more or less");
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    node.advance(2 * SECOND);
    let source = node.source(0, 0);
    assert_eq!((source.state, source.reason, source.message.as_str()), (HealthState::Healthy, None, ""));
    assert_eq!(node.draw(0, 100).len(), 100);
}

#[test]
fn retries_of_a_missing_source_back_off() {
    let mut node = healthy();
    node.fake(0).set_behaviour(FakeBehaviour::Missing);
    node.draw(0, 100_000);
    node.advance(3600 * SECOND);
    let opened = node.fake(0).opened();
    assert!((100..160).contains(&opened), "some 30 s apart: {opened}");
}

#[test]
fn an_unreadable_source_is_unavailable_and_recovers() {
    for (behaviour, reason, message) in [
        (FakeBehaviour::Broken, "ReadError", "it cannot be read: input/output error"),
        (FakeBehaviour::Ended, "EndOfFile", "it has no more bytes"),
        (FakeBehaviour::Dry, "Stalled", "it returned nothing for ten seconds"),
    ] {
        let mut node = healthy();
        node.fake(0).set_behaviour(behaviour);
        node.draw(0, 100_000);
        node.advance(10 * SECOND);
        let source = node.source(0, 0);
        assert!(source.stats.lost >= 1);
        assert!(matches!(source.state, HealthState::Unavailable | HealthState::Starting), "{behaviour:?}");
        assert_eq!((source.reason, source.message.as_str()), (Some(reason), message));
        assert!(node.draw(0, 100).is_empty());
        node.fake(0).set_behaviour(FakeBehaviour::Good);
        node.advance(20 * SECOND);
        assert_eq!(node.state(0, 0), HealthState::Healthy, "{behaviour:?}");
        assert_eq!(node.draw(0, 100).len(), 100);
    }
}

#[test]
fn a_dry_source_is_read_at_intervals() {
    let mut node = healthy();
    node.fake(0).set_behaviour(FakeBehaviour::Dry);
    node.draw(0, 100_000);
    let reads = node.fake(0).reads();
    node.advance(9 * SECOND);
    let reads = node.fake(0).reads() - reads;
    assert!((50..150).contains(&reads), "100 ms apart: {reads}");
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    node.advance(SECOND);
    assert_eq!(node.state(0, 0), HealthState::Healthy, "dry for less than ten seconds is no stall");
}

#[test]
fn a_failed_source_is_closed_until_a_retest() {
    let mut node = healthy();
    node.fake(0).set_behaviour(FakeBehaviour::Stuck(3));
    node.draw(0, 100_000);
    assert_eq!(node.state(0, 0), HealthState::Failed);
    assert!(node.source(0, 0).message.starts_with("the same byte came "), "{}", node.source(0, 0).message);
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    let (opened, reads) = (node.fake(0).opened(), node.fake(0).reads());
    node.advance(3600 * SECOND);
    assert_eq!((node.fake(0).opened(), node.fake(0).reads()), (opened, reads));
    node.retest(0, 0);
    node.run_until_idle();
    assert_eq!(node.fake(0).opened(), opened + 1);
    assert_eq!(node.state(0, 0), HealthState::Healthy);
    assert_eq!(node.draw(0, 5000).len(), 5000);
}

#[test]
fn two_pools_share_a_source_and_no_byte() {
    let fake = Fake::new(5);
    let mut node = FakeNode::new(std::slice::from_ref(&fake));
    let [one, other] = [(); 2].map(|()| node.add(pool(Output::Raw, &[device("trng", 0)])));
    node.run_until_idle();
    assert_eq!(fake.opened(), 1);
    let mut drawn = (vec![], vec![]);
    for _ in 0..50 {
        drawn.0.extend(node.draw(one, 1000));
        drawn.1.extend(node.draw(other, 1000));
    }
    assert_eq!((drawn.0.len(), drawn.1.len()), (50_000, 50_000));
    let output = fake.output();
    let found = |bytes: &[u8]| output.windows(8).filter(|window| *window == bytes).count();
    for (one, other) in drawn.0.chunks(500).zip(drawn.1.chunks(500)) {
        assert_eq!((found(&one[..8]), found(&other[..8])), (1, 1));
    }
    let windows: std::collections::HashSet<&[u8]> = drawn.0.windows(8).collect();
    assert!(!drawn.1.windows(8).any(|window| windows.contains(window)));
}

#[test]
fn a_wrong_claim_harms_only_the_pool_that_makes_it() {
    // Four values, so two bits a byte; one pool claims eight.
    let fake = Fake::new(5);
    fake.set_behaviour(FakeBehaviour::FourValues);
    let mut node = FakeNode::new(&[fake]);
    let honest =
        crate::spec::SourceSpec { min_entropy: MinEntropy::from_thousandths(1500), ..device("trng", 0) };
    let honest = node.add(pool(Output::FullEntropy, &[honest]));
    let dishonest = node.add(pool(Output::FullEntropy, &[device("trng", 0)]));
    node.run_until_idle();
    assert_eq!(node.draw(honest, 10_000).len(), 10_000);
    assert_eq!(
        (node.state(honest, 0), node.state(dishonest, 0)),
        (HealthState::Healthy, HealthState::Failed)
    );
    assert!(node.draw(dishonest, 100).is_empty());
}

#[test]
fn a_block_is_held_back_until_the_block_tests_passed() {
    let fake = Fake::new(9);
    let source = crate::spec::SourceSpec { block_tests: true, ..device("trng", 0) };
    let mut node = FakeNode::new(std::slice::from_ref(&fake));
    node.add(pool(Output::Raw, &[source]));
    let drawn = node.draw(0, 100_000);
    assert_eq!(drawn[..], fake.output()[1028..1028 + drawn.len()], "four bytes are only compared with");
    // Seven random bits pass the tests of bytes.
    fake.set_behaviour(FakeBehaviour::HighBit);
    let drawn = node.draw(0, 1_000_000);
    assert_eq!(node.state(0, 0), HealthState::Failed);
    let source = node.source(0, 0);
    assert_eq!((source.reason, source.stats.structure), (Some("BitLane"), 1));
    let bad = drawn.windows(64).filter(|window| window.iter().all(|byte| *byte >= 128)).count();
    assert_eq!(bad, 0, "no byte of a failed block");
}
