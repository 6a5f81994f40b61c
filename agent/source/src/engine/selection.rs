//! Which sources a pool draws from, and what it serves.

use crate::spec::OnFailure;

/// What a pool serves at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Nothing yet: its sources are in their first start-up test, and none has failed it.
    Starting,
    /// What was promised.
    Promised,
    /// Less than was promised: a generator's output, seeded by the kernel.
    Degraded,
    /// Nothing: too few of its sources are healthy.
    Held,
}

/// A source as the choice sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) tier: u32,
    /// The output may rest on it. What other sources give is mixed in, for what it may be worth.
    pub(super) counts: bool,
    pub(super) condition: CandidateHealth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CandidateHealth {
    Healthy,
    /// Nothing is known against it yet.
    New,
    /// Anything else.
    Out,
}

/// What to do with the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) serving: Serving,
    /// Sources up to this tier are active from; nothing if none is.
    pub(super) tier: Option<u32>,
    /// How many of those that count are healthy, in all tiers.
    pub(super) healthy: usize,
}

impl Selection {
    /// Whether this source is active from. All of a lower tier that count are out, or that would be the tier.
    pub(super) fn draws_from(self, candidate: Candidate) -> bool {
        candidate.condition == CandidateHealth::Healthy
            && self.tier.is_some_and(|tier| candidate.tier <= tier)
    }
}

/// Chooses. Sources of all tiers count towards `min_healthy`: one in reserve is one that is there.
pub(super) fn choose(candidates: &[Candidate], min_healthy: usize, policy: OnFailure) -> Selection {
    let counted = |condition| {
        candidates.iter().filter(move |candidate| candidate.counts && candidate.condition == condition)
    };
    let healthy = counted(CandidateHealth::Healthy).count();
    let needed = min_healthy.max(1);
    let serving = match policy {
        _ if healthy >= needed => Serving::Promised,
        _ if healthy + counted(CandidateHealth::New).count() >= needed => Serving::Starting,
        OnFailure::Hold => Serving::Held,
        OnFailure::Degrade => Serving::Degraded,
    };
    let lowest = counted(CandidateHealth::Healthy).map(|candidate| candidate.tier).min();
    Selection { serving, tier: lowest.filter(|_| serving == Serving::Promised), healthy }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn source(tier: u32, condition: CandidateHealth) -> Candidate {
        Candidate { tier, counts: true, condition }
    }

    const UP: CandidateHealth = CandidateHealth::Healthy;
    const OUT: CandidateHealth = CandidateHealth::Out;

    fn active(candidates: &[Candidate]) -> Vec<bool> {
        let choice = choose(candidates, 1, OnFailure::Hold);
        candidates.iter().map(|candidate| choice.draws_from(*candidate)).collect()
    }

    #[test]
    fn a_higher_tier_serves_only_while_no_source_of_a_lower_one_is_healthy() {
        assert_eq!(active(&[source(0, UP), source(0, OUT), source(1, UP)]), [true, false, false]);
        assert_eq!(active(&[source(0, OUT), source(0, OUT), source(1, UP)]), [false, false, true]);
        assert_eq!(active(&[source(7, UP), source(3, UP), source(3, UP)]), [false, true, true]);
    }

    #[test]
    fn what_earns_no_credit_is_mixed_in_and_never_served_alone() {
        let kernel = Candidate { counts: false, ..source(0, UP) };
        assert_eq!(active(&[source(0, UP), kernel]), [true, true]);
        assert_eq!(active(&[source(0, OUT), kernel]), [false, false]);
        assert_eq!(active(&[source(0, OUT), source(1, UP), kernel]), [false, true, true]);
        assert_eq!(choose(&[source(0, OUT), kernel], 1, OnFailure::Hold).serving, Serving::Held);
    }

    #[test]
    fn too_few_healthy_sources_are_the_policys_affair() {
        let candidates = [source(0, UP), source(1, OUT)];
        for (min, policy, serving) in [
            (1, OnFailure::Hold, Serving::Promised),
            (2, OnFailure::Hold, Serving::Held),
            (2, OnFailure::Degrade, Serving::Degraded),
        ] {
            assert_eq!(choose(&candidates, min, policy).serving, serving);
        }
        assert_eq!(
            choose(&candidates, 2, OnFailure::Hold).tier,
            None,
            "nothing is active while nothing is served"
        );
    }

    #[test]
    fn a_source_in_reserve_counts_as_one_that_is_there() {
        let choice = choose(&[source(0, UP), source(1, UP)], 2, OnFailure::Hold);
        assert_eq!((choice.serving, choice.tier, choice.healthy), (Serving::Promised, Some(0), 2));
    }

    #[test]
    fn a_source_that_is_new_is_waited_for_before_anything_is_called_a_failure() {
        let new = source(0, CandidateHealth::New);
        for policy in [OnFailure::Hold, OnFailure::Degrade] {
            assert_eq!(choose(&[new], 1, policy).serving, Serving::Starting);
            assert_eq!(choose(&[new, source(1, UP)], 1, policy).serving, Serving::Promised);
            assert_ne!(choose(&[new], 2, policy).serving, Serving::Starting);
        }
    }

    #[test]
    fn without_sources_nothing_is_served() {
        assert_eq!(choose(&[], 0, OnFailure::Hold).serving, Serving::Held);
    }
}
