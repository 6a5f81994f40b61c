//! Pools whose sources are not what they are named: nested ones, one by two names, and one that becomes another.
#![allow(clippy::unwrap_used)]

use crate::engine::Serving;
use crate::fake::{Fake, FakeBehaviour, FakeNode, SECOND, device, pool};
use crate::health::HealthState;
use crate::spec::{Output, PoolSpec, SourceSpec};

#[test]
fn a_nested_source_earns_credit_only_where_the_pool_says_so() {
    for (output, credit_nested, serving) in [
        (Output::FullEntropy, false, Serving::Held),
        (Output::Raw, false, Serving::Held),
        (Output::Stretched, false, Serving::Promised),
        (Output::FullEntropy, true, Serving::Promised),
        (Output::Raw, true, Serving::Promised),
    ] {
        let fake = Fake::new(7);
        fake.set_device(1, true);
        let mut node = FakeNode::new(&[fake]);
        node.add(pool(output, &[SourceSpec { credit_nested, ..device("trng", 0) }]));
        node.advance(SECOND);
        let (status, source) = (node.status(0), node.source(0, 0));
        assert_eq!(
            (status.serving, source.state),
            (serving, HealthState::Healthy),
            "{output:?} {credit_nested}"
        );
        assert_eq!(source.details.as_deref(), Some("virtio_rng.0, nested"));
        let held = serving == Serving::Held;
        assert_eq!((source.reason, status.healthy), (held.then_some("NestedSource"), usize::from(!held)));
        assert_eq!(node.draw(0, 100).len(), if held { 0 } else { 100 });
        if held {
            let expected =
                "holds: source trng earns no credit (NestedSource); 0 of 1 sources are healthy and 1 must be";
            assert!(status.message.starts_with(expected), "{}", status.message);
            assert!(
                source.message.contains("unless the pool has device.creditNested: true"),
                "{}",
                source.message
            );
        }
    }
}

#[test]
fn a_nested_source_is_mixed_in_beside_one_that_earns_credit() {
    let fakes = [Fake::new(7), Fake::new(8)];
    fakes[1].set_device(2, true);
    let mut node = FakeNode::new(&fakes);
    node.add(pool(Output::FullEntropy, &[device("trng", 0), device("nested", 0)]));
    node.advance(SECOND);
    let before = node.fake(1).output().len();
    assert_eq!(node.draw(0, 32_000).len(), 32_000);
    assert!(node.fake(1).output().len() > before, "it is drawn from");
    assert_eq!((node.status(0).healthy, node.source(0, 1).active), (1, true));
    let credited = |at| node.source(0, at).stats.bytes_credited;
    assert!(credited(0) > 0 && credited(1) == 0, "{} and {}", credited(0), credited(1));
    // Alone it keeps no promise.
    node.fake(0).set_behaviour(FakeBehaviour::Stuck(0));
    node.draw(0, 100_000);
    assert_eq!((node.status(0).serving, node.state(0, 1)), (Serving::Held, HealthState::Healthy));
}

#[test]
fn one_source_by_two_names_does_not_count_twice() {
    for output in [Output::Stretched, Output::FullEntropy, Output::Raw] {
        let fakes = [Fake::new(7), Fake::new(8)];
        for fake in &fakes {
            fake.set_device(1, false);
        }
        let mut node = FakeNode::new(&fakes);
        node.add(PoolSpec { min_healthy: 2, ..pool(output, &[device("one", 0), device("other", 0)]) });
        node.advance(SECOND);
        let (status, other) = (node.status(0), node.source(0, 1));
        assert_eq!((status.serving, status.healthy), (Serving::Held, 1));
        assert_eq!((other.state, other.reason), (HealthState::Unavailable, Some("DuplicateSource")));
        assert!(
            !other.active && other.message.starts_with("it is the same source as one (device 0:1), so that")
        );
        assert!(
            status.message.contains("source other is unavailable (DuplicateSource)"),
            "{}",
            status.message
        );
        // It is not a reserve of itself either.
        node.fake(0).set_behaviour(FakeBehaviour::Stuck(0));
        node.advance(30 * SECOND);
        assert_eq!(node.status(0).healthy, 0, "{:?}", node.status(0));
    }
}

#[test]
fn a_source_that_becomes_another_is_tested_anew_and_its_old_samples_are_dropped() {
    let fake = Fake::new(7);
    fake.set_device(1, true);
    let mut node = FakeNode::new(&[fake]);
    let nested = SourceSpec { credit_nested: true, ..device("trng", 0) };
    node.add(pool(Output::FullEntropy, &[nested]));
    node.add(pool(Output::FullEntropy, &[device("trng", 0)]));
    node.advance(SECOND);
    assert_eq!((node.status(0).serving, node.status(1).serving), (Serving::Promised, Serving::Held));
    node.fake(0).set_behaviour(FakeBehaviour::Broken);
    node.advance(20 * SECOND);
    assert_eq!(node.state(0, 0), HealthState::Unavailable);
    node.fake(0).set_device(1, false);
    node.fake(0).set_behaviour(FakeBehaviour::Good);
    let before = node.fake(0).output().len();
    node.advance(60 * SECOND);
    assert_eq!((node.status(0).serving, node.status(1).serving), (Serving::Promised, Serving::Promised));
    assert!(node.fake(0).output().len() >= before + 1024, "a start-up test");
    assert_eq!(node.source(0, 0).details, None);
}

#[test]
fn a_failed_source_stays_failed_by_whatever_name_a_pool_reaches_it() {
    for output in [Output::Stretched, Output::FullEntropy, Output::Raw] {
        let fake = Fake::new(7);
        fake.set_device(1, false);
        let mut node = FakeNode::new(&[fake]);
        node.add(pool(output, &[device("trng", 0)]));
        node.advance(SECOND);
        node.fake(0).set_behaviour(FakeBehaviour::Stuck(0));
        node.advance(60 * SECOND);
        assert_eq!(node.state(0, 0), HealthState::Failed);
        node.fake(0).set_behaviour(FakeBehaviour::Good);
        let edited = node.edit(pool(output, &[device("by-id", 0)]));
        node.advance(60 * SECOND);
        assert_eq!(
            (node.state(edited, 0), node.draw(edited, 1).len()),
            (HealthState::Failed, 0),
            "{output:?}"
        );
        node.retest(edited, 0);
        node.advance(60 * SECOND);
        assert_eq!((node.state(edited, 0), node.draw(edited, 100).len()), (HealthState::Healthy, 100));
        let again = node.edit(pool(output, &[device("trng", 0)]));
        node.advance(SECOND);
        assert_eq!(node.state(again, 0), HealthState::Healthy, "the retest holds for each name");
    }
}
