//! What happens when nothing goes wrong, and when a configuration is no good.

use std::sync::Arc;

use entropool_delivery::{Span, Version};

use crate::world::{BAD, BAD_POOL, State, World, content, history, version};

const SOON: Span = Span::seconds(5);

fn edited(world: &mut World, state: State) {
    world.storage.push(state);
    world.watch();
}

#[test]
fn a_new_agent_gets_everything_and_an_edit_only_what_it_changed() {
    let mut world = World::new(history(1), 1, 1);
    world.until(SOON, World::in_step);
    assert_eq!(world.updates, [(3, false)]);
    let [_, second] = <[State; 2]>::try_from(history(2)).unwrap();
    edited(&mut world, second);
    let took = world.until(SOON, World::in_step);
    assert_eq!(world.updates, [(3, false), (2, false)]);
    assert!(took <= Span::millis(100), "{took:?}");
}

#[test]
fn a_version_that_is_new_alone_sends_nothing() {
    let mut world = World::new(history(1), 1, 1);
    world.until(SOON, World::in_step);
    let same = Arc::clone(&world.storage[0].content);
    edited(&mut world, State { version: version(500, 500), content: same });
    world.run(Span::seconds(30));
    assert_eq!(world.updates.len(), 1);
    assert!(world.in_step());
}

#[test]
fn an_agent_that_comes_back_unchanged_is_told_so_once_and_knows_the_newer_version() {
    let mut world = World::new(history(1), 1, 1);
    world.until(SOON, World::in_step);
    let same = Arc::clone(&world.storage[0].content);
    edited(&mut world, State { version: version(500, 500), content: same });
    world.break_stream();
    world.until(SOON, World::in_step);
    world.run(Span::seconds(30));
    assert_eq!(world.updates, [(3, false), (0, false)]);
    assert_eq!(world.applied.len(), 1);
    assert_eq!(*world.agent.version(), version(500, 500));
}

#[test]
fn an_agent_that_restarts_runs_what_it_kept_and_hears_what_changed() {
    let mut world = World::new(history(3), 1, 1);
    world.watch();
    world.until(SOON, World::in_step);
    let fourth = history(4).pop().unwrap();
    edited(&mut world, fourth);
    world.restart_agent();
    assert_eq!(world.agent.held().len(), 3);
    world.until(SOON, World::in_step);
    assert_eq!(world.applied.len(), 2);
}

#[test]
fn what_cannot_be_applied_is_nacked_once_and_the_last_good_goes_on_until_it_is_mended() {
    let mut world = World::new(history(1), 1, 1);
    world.until(SOON, World::in_step);
    let good = Arc::clone(world.agent.held());
    edited(&mut world, State { version: version(11, 10), content: content(&[("class/p/odd", BAD)]) });
    world.run(Span::seconds(60));
    assert_eq!(world.agent.held().digest(), good.digest());
    assert_eq!(world.kept.content.digest(), good.digest());
    assert_eq!(world.updates.len(), 2, "{:?}", world.updates);
    edited(&mut world, State { version: version(12, 10), content: content(&[("class/p/odd", 5)]) });
    world.until(SOON, World::in_step);
}

/// Also with a controller of the version before, which takes the answer for a whole one.
#[test]
fn a_pool_that_cannot_be_applied_stays_as_it_was_and_the_others_follow() {
    let state =
        |at, p, q| State { version: version(at, at), content: content(&[("pool/p", p), ("pool/q", q)]) };
    for knows_no_pools in [false, true] {
        let mut world = World::new(vec![state(1, 1, 1)], 1, 1);
        world.knows_no_pools = knows_no_pools;
        world.until(SOON, World::in_step);
        edited(&mut world, state(2, BAD_POOL, 2));
        world.run(Span::seconds(60));
        let runs = |world: &World, p, q| {
            let digest = content(&[("pool/p", p), ("pool/q", q)]).digest();
            assert_eq!((world.agent.held().digest(), world.kept.content.digest()), (digest, digest));
        };
        runs(&world, 1, 2);
        assert_eq!(world.updates.len(), 2, "{:?}", world.updates);
        edited(&mut world, state(3, BAD_POOL, 3));
        world.run(SOON);
        runs(&world, 1, 3);
        // The next version of the agent may know better, and is offered the pool again.
        let applied = world.applied.len();
        world.restart_agent();
        world.run(SOON);
        runs(&world, 1, 3);
        assert_eq!(world.applied.len(), applied + 1);
        edited(&mut world, state(4, 4, 3));
        world.until(SOON, World::in_step);
    }
}

#[test]
fn taking_a_bad_edit_back_leaves_nothing_to_send() {
    let mut world = World::new(history(1), 1, 1);
    world.until(SOON, World::in_step);
    let good = Arc::clone(world.agent.held());
    edited(&mut world, State { version: version(11, 10), content: content(&[("class/p/odd", BAD)]) });
    world.run(SOON);
    edited(&mut world, State { version: version(12, 10), content: good });
    world.run(SOON);
    assert!(world.in_step());
    assert_eq!(world.updates.len(), 2);
    assert_eq!(*world.agent.version(), version(10, 10));
}

#[test]
fn an_agent_without_a_controller_keeps_what_it_has() {
    let mut world = World::new(history(1), 1, 1);
    world.until(SOON, World::in_step);
    world.cut = true;
    world.break_stream();
    world.run(Span::seconds(600));
    assert_eq!(world.agent.held().digest(), world.storage[0].content.digest());
    world.cut = false;
    let took = world.until(SOON, World::in_step);
    assert!(took <= SOON, "{took:?}");
}

#[test]
fn a_peer_that_watches_another_kind_is_neither_older_nor_newer() {
    let newer: Version = [(entropool_delivery::WatchedKind(99), 7)].into_iter().collect();
    let mut world = World::new(history(1), 1, 1);
    world.storage[0].version = newer.clone();
    world.until(SOON, World::in_step);
    // The version before, which knows no kind 99, has its own.
    world.storage = vec![State { version: version(1, 1), content: content(&[("pool/p", 3)]) }];
    world.watch();
    world.until(SOON, World::in_step);
    world.storage.push(State { version: newer, content: content(&[("pool/p", 4)]) });
    world.watch();
    world.until(SOON, World::in_step);
    assert_eq!(world.rolled_back, 0);
}
