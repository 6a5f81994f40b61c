//! More than one controller, of which not all see the same.

use entropool_delivery::{Span, Version};

use crate::world::{State, World, content, history, version};

const SOON: Span = Span::seconds(5);

/// Two replicas that have seen everything, with the agent at the first.
fn two() -> World {
    let mut world = World::new(history(6), 2, 3);
    world.watch();
    world.route = Some(0);
    world.until(SOON, World::in_step);
    world
}

#[test]
fn a_replica_that_lags_lists_anew_and_serves_then() {
    let mut world = two();
    world.replicas[1].view = 2;
    world.route = Some(1);
    world.break_stream();
    world.until(SOON, World::in_step);
    assert_eq!(world.replicas[1].lists, 1);
    assert_eq!((world.applied.len(), world.rolled_back), (1, 0));
}

#[test]
fn a_replica_that_is_stuck_takes_nobody_back_and_is_not_asked_more_than_once_a_second() {
    let mut world = two();
    let newest = world.storage[5].clone();
    (world.replicas[1].view, world.replicas[1].frozen) = (2, true);
    world.route = Some(1);
    world.break_stream();
    world.run(Span::seconds(300));
    assert_eq!(world.agent.held().digest(), newest.content.digest());
    assert!((1..=301).contains(&world.replicas[1].lists), "{}", world.replicas[1].lists);
    // Nothing was answered, so the agent tries elsewhere every ten seconds.
    world.route = Some(0);
    world.until(Span::seconds(15), World::in_step);
    assert_eq!(world.rolled_back, 0);
}

#[test]
fn a_stuck_replica_that_wakes_lists_and_serves_what_is_new() {
    let mut world = two();
    (world.replicas[1].view, world.replicas[1].frozen) = (2, true);
    world.route = Some(1);
    world.break_stream();
    world.run(Span::seconds(90));
    world.storage.push(State { version: version(100, 100), content: content(&[("pool/p", 9)]) });
    world.replicas[1].frozen = false;
    world.until(Span::seconds(15), World::in_step);
    assert_eq!(world.rolled_back, 0);
}

#[test]
fn of_two_replicas_that_are_each_ahead_in_a_kind_both_come_to_serve() {
    let mut world = World::new(vec![], 2, 1);
    let ahead = |pools, classes, body| State {
        version: version(pools, classes),
        content: content(&[("pool/p", body)]),
    };
    world.storage = vec![ahead(5, 1, 1), ahead(1, 5, 2), ahead(5, 5, 3)];
    (world.replicas[0].view, world.replicas[1].view) = (0, 1);
    world.route = Some(0);
    world.until(SOON, |world| *world.agent.version() == version(5, 1));
    world.route = Some(1);
    world.break_stream();
    world.until(SOON, World::in_step);
    assert_eq!(*world.agent.version(), version(5, 5));
    assert_eq!(world.rolled_back, 0);
}

#[test]
fn a_restored_storage_is_followed_after_a_minute_and_said_loudly_once() {
    let mut world = two();
    world.storage.truncate(3);
    world.watch();
    world.route = None;
    world.break_stream();
    world.run(Span::seconds(59));
    assert_eq!((world.rolled_back, world.applied.len()), (0, 1), "the minute is not over");
    world.until(Span::seconds(6), World::in_step);
    assert_eq!((world.rolled_back, world.applied.len()), (1, 2));
    // From here on everything is as ever.
    world.storage.push(State { version: version(12, 20), content: content(&[("pool/p", 9)]) });
    world.watch();
    world.until(SOON, World::in_step);
    assert_eq!(world.rolled_back, 1);
}

#[test]
fn a_restored_storage_with_the_same_content_is_followed_the_same_way() {
    let mut world = two();
    let same = State { version: version(2, 2), content: world.storage[5].content.clone() };
    world.storage = vec![same];
    world.watch();
    world.break_stream();
    world.until(Span::seconds(66), |world| world.rolled_back == 1);
    assert_eq!(*world.agent.version(), version(2, 2));
    assert_eq!(world.applied.len(), 1);
}

#[test]
fn an_agent_that_was_away_for_the_minute_starts_it_when_it_is_back() {
    let mut world = two();
    world.storage.truncate(3);
    world.watch();
    world.cut = true;
    world.break_stream();
    world.run(Span::seconds(120));
    world.cut = false;
    world.run(Span::seconds(30));
    assert_eq!(world.rolled_back, 0);
    world.until(Span::seconds(36), World::in_step);
    assert_eq!(world.rolled_back, 1);
}

#[test]
fn one_replica_that_has_the_newer_is_enough_to_stay() {
    let mut world = two();
    let newest = world.agent.version().clone();
    world.run(Span::seconds(1));
    // The first still shows everything; the second only knows how it was before.
    world.replicas[1].view = 2;
    world.replicas[1].frozen = true;
    world.route = None;
    for _ in 0..30 {
        world.break_stream();
        world.run(Span::seconds(7));
        assert_eq!(*world.agent.version(), newest);
    }
    assert_eq!(world.rolled_back, 0);
}

#[test]
fn an_agent_that_holds_nothing_takes_whatever_there_is() {
    let mut world = World::new(history(1), 1, 1);
    world.storage[0].version = Version::default();
    world.until(SOON, World::in_step);
}
