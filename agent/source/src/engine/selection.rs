//! Which sources a pool draws from, and what it serves.

use crate::spec::OnFailure;

/// What a pool serves at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Nothing yet: its sources are in their first start-up test.
    Starting,
    Promised,
    /// Less than was promised: a generator's output, seeded by the kernel.
    Degraded,
    /// Nothing: too few of its sources are healthy.
    Held,
}

/// A source as the selection sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) tier: u32,
    /// Whether the output may depend on it. Bytes of other sources are mixed in without credit.
    pub(super) counts: bool,
    pub(super) health: CandidateHealth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CandidateHealth {
    Healthy,
    /// In its first start-up test.
    New,
    Unhealthy,
}

/// Which sources are active, and what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) serving: Serving,
    /// Sources up to this tier are active; `None` if no source is.
    pub(super) tier: Option<u32>,
    /// How many of those that count are healthy, in all tiers.
    pub(super) healthy: usize,
}

impl Selection {
    /// Whether the pool draws from this source. Sources of lower tiers that count are all unhealthy, or theirs would be
    /// the tier.
    pub(super) fn is_active(self, candidate: Candidate) -> bool {
        candidate.health == CandidateHealth::Healthy && self.tier.is_some_and(|tier| candidate.tier <= tier)
    }
}

/// Sources of all tiers count towards `min_healthy`, also those in reserve.
pub(super) fn select(candidates: &[Candidate], min_healthy: usize, policy: OnFailure) -> Selection {
    let counted =
        |health| candidates.iter().filter(move |candidate| candidate.counts && candidate.health == health);
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

    const fn source(tier: u32, health: CandidateHealth) -> Candidate {
        Candidate { tier, counts: true, health }
    }

    const UP: CandidateHealth = CandidateHealth::Healthy;
    const OUT: CandidateHealth = CandidateHealth::Unhealthy;

    fn active(candidates: &[Candidate]) -> Vec<bool> {
        let selection = select(candidates, 1, OnFailure::Hold);
        candidates.iter().map(|candidate| selection.is_active(*candidate)).collect()
    }

    #[test]
    fn a_higher_tier_serves_only_while_no_source_of_a_lower_one_is_healthy() {
        assert_eq!(active(&[source(0, UP), source(0, OUT), source(1, UP)]), [true, false, false]);
        assert_eq!(active(&[source(0, OUT), source(0, OUT), source(1, UP)]), [false, false, true]);
        assert_eq!(active(&[source(7, UP), source(3, UP), source(3, UP)]), [false, true, true]);
    }

    #[test]
    fn an_uncredited_source_is_mixed_in_and_never_served_alone() {
        let kernel = Candidate { counts: false, ..source(0, UP) };
        assert_eq!(active(&[source(0, UP), kernel]), [true, true]);
        assert_eq!(active(&[source(0, OUT), kernel]), [false, false]);
        assert_eq!(active(&[source(0, OUT), source(1, UP), kernel]), [false, true, true]);
        assert_eq!(select(&[source(0, OUT), kernel], 1, OnFailure::Hold).serving, Serving::Held);
    }

    #[test]
    fn on_failure_decides_when_too_few_sources_are_healthy() {
        let candidates = [source(0, UP), source(1, OUT)];
        for (min, policy, serving) in [
            (1, OnFailure::Hold, Serving::Promised),
            (2, OnFailure::Hold, Serving::Held),
            (2, OnFailure::Degrade, Serving::Degraded),
        ] {
            assert_eq!(select(&candidates, min, policy).serving, serving);
        }
        assert_eq!(
            select(&candidates, 2, OnFailure::Hold).tier,
            None,
            "no source is active while nothing is served"
        );
    }

    #[test]
    fn a_source_in_reserve_counts_towards_min_healthy() {
        let selection = select(&[source(0, UP), source(1, UP)], 2, OnFailure::Hold);
        assert_eq!((selection.serving, selection.tier, selection.healthy), (Serving::Promised, Some(0), 2));
    }

    #[test]
    fn a_new_source_is_waited_for_before_on_failure_applies() {
        let new = source(0, CandidateHealth::New);
        for policy in [OnFailure::Hold, OnFailure::Degrade] {
            assert_eq!(select(&[new], 1, policy).serving, Serving::Starting);
            assert_eq!(select(&[new, source(1, UP)], 1, policy).serving, Serving::Promised);
            assert_ne!(select(&[new], 2, policy).serving, Serving::Starting);
        }
    }

    #[test]
    fn without_sources_nothing_is_served() {
        assert_eq!(select(&[], 0, OnFailure::Hold).serving, Serving::Held);
    }
}
