//! A network that loses, delays, repeats and reorders what is said, and breaks streams.

use entropool_delivery::{Span, Version};

use crate::world::{Faults, State, World, history, history_with_refusals};

/// Of what is decided by seed.
const SEEDS: u64 = 200;
const EDITS: u64 = 12;

/// Edits come while everything goes wrong; nothing older is ever run than what ran, and once the network is whole the
/// newest runs within seconds.
fn survives(seed: u64, faults: Faults, replicas: usize) {
    survives_edits(&history(EDITS), seed, faults, replicas, false);
}

fn survives_edits(states: &[State], seed: u64, faults: Faults, replicas: usize, knows_no_pools: bool) {
    let mut world = World::new(states[..1].to_vec(), replicas, seed);
    world.faults = faults;
    world.knows_no_pools = knows_no_pools;
    let mut ran = Version::default();
    for state in &states[1..] {
        world.storage.push(state.clone());
        for replica in 0..replicas {
            if world.dice.percent(60) {
                world.replicas[replica].view = world.storage.len() - 1;
            }
        }
        if world.dice.percent(10) {
            world.restart_agent();
        }
        for _ in 0..world.dice.below(300) {
            world.step();
            let runs = world.agent.version();
            assert!(!runs.is_older_than(&ran), "seed {seed}: {runs:?} after {ran:?}");
            ran = runs.clone();
        }
    }
    world.faults = Faults::default();
    world.watch();
    // An answer that was lost is missed for so long; then it is asked again.
    let took = world.until(Span::seconds(20), World::in_step);
    assert!(took <= Span::seconds(16), "seed {seed}: {took:?}");
    assert_eq!(world.rolled_back, 0, "seed {seed}");
}

#[test]
fn lost_messages_are_made_good() {
    (1..=SEEDS).for_each(|seed| survives(seed, Faults { lost: 30, ..Faults::default() }, 1));
}

#[test]
fn repeated_messages_change_nothing() {
    (1..=SEEDS).for_each(|seed| survives(seed, Faults { repeated: 50, late: 200, ..Faults::default() }, 1));
}

#[test]
fn late_and_reordered_messages_change_nothing() {
    (1..=SEEDS).for_each(|seed| survives(seed, Faults { late: 3_000, ..Faults::default() }, 1));
}

#[test]
fn streams_that_break_are_opened_again() {
    (1..=SEEDS).for_each(|seed| survives(seed, Faults { broken: 100, late: 20, ..Faults::default() }, 1));
}

#[test]
fn everything_at_once_over_three_replicas_that_see_edits_at_different_times() {
    let all = Faults { lost: 10, repeated: 10, late: 1_000, broken: 50 };
    (1..=SEEDS).for_each(|seed| survives(seed, all, 3));
}

#[test]
fn an_agent_that_refuses_a_pool_follows_all_others_also_if_the_controller_knows_no_such_answer() {
    let states = history_with_refusals(14);
    let all = Faults { lost: 10, repeated: 10, late: 1_000, broken: 50 };
    (1..=SEEDS).for_each(|seed| survives_edits(&states, seed, all, 2, seed % 2 == 0));
}
