//! How pools and their sources stand.

use crate::engine::{Member, Origin, Pool, PoolState, Serving};
use crate::health::HealthState;
use crate::sampler::SourceStats;
use crate::spec::{Output, SourceKind};

/// How a pool stands.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// What it promises.
    pub promised: Output,
    /// What it serves.
    pub serving: Serving,
    /// The instant at which it came to that.
    pub since: u64,
    /// Why it serves no more than that, to be said after the pool's name: `holds: source trng failed
    /// (RepetitionCount); …`. Empty while it serves what it promises.
    pub message: String,
    /// How many of the sources that its output may rest on are healthy.
    pub healthy: usize,
    /// Bytes made for those who draw from it.
    pub bytes_out: u64,
    /// In the order in which the pool names them.
    pub sources: Vec<SourceStatus>,
}

/// How a source of a pool stands.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// Its name within the pool.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Its tier.
    pub tier: u32,
    /// Whether the pool draws from it at the moment.
    pub active: bool,
    /// Its state. The kernel's generator is healthy once it is seeded.
    pub state: HealthState,
    /// The instant at which it came to that.
    pub since: u64,
    /// Why it is not healthy, in one word.
    pub reason: Option<&'static str>,
    /// The same for people.
    pub message: String,
    /// What it gave and where it failed.
    pub stats: SourceStats,
}

impl PoolStatus {
    pub(crate) fn of(pool: &Pool) -> Self {
        let PoolState { serving, since, healthy, active } = pool.standing();
        let sources: Vec<_> = pool
            .members
            .iter()
            .zip(active)
            .map(|(member, active)| SourceStatus::of(member, active, since))
            .collect();
        Self {
            name: pool.spec.name.clone(),
            promised: pool.spec.output,
            serving,
            since,
            message: message(serving, healthy, pool, &sources),
            healthy,
            bytes_out: pool.bytes_out(),
            sources,
        }
    }
}

impl SourceStatus {
    /// That it is not healthy, and why, in few words.
    fn is_out(&self) -> Option<String> {
        let state = match self.state {
            HealthState::Healthy => return None,
            HealthState::Starting => "is in its start-up test",
            HealthState::Suspect => "is suspect",
            HealthState::Failed => "failed",
            HealthState::Unavailable => "is unavailable",
        };
        let reason = self.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("source {} {state}{reason}", self.name))
    }

    fn of(member: &Member, active: bool, since: u64) -> Self {
        let (name, kind, tier) = (member.spec.name.clone(), member.spec.kind.clone(), member.spec.tier);
        let plain = |state, reason, message| Self {
            name: name.clone(),
            kind: kind.clone(),
            tier,
            active: active,
            state,
            since,
            reason,
            message: message,
            stats: SourceStats::default(),
        };
        match &member.origin {
            Origin::Kernel => plain(HealthState::Healthy, None, String::new()),
            Origin::NotPermitted(message) => {
                plain(HealthState::Failed, Some("SourceNotPermitted"), message.clone())
            }
            Origin::Noise(link) => {
                let health = link.health();
                let noise = plain(health.state, health.reason, health.message);
                Self { since: health.since, stats: health.stats, ..noise }
            }
        }
    }
}

fn message(serving: Serving, healthy: usize, pool: &Pool, sources: &[SourceStatus]) -> String {
    let of_promise = |member: &&Member| member.counts(pool.spec.output);
    let counted = pool.members.iter().filter(of_promise).count();
    let needed = pool.spec.min_healthy.max(1);
    let out = pool.members.iter().zip(sources).filter(|(member, _)| of_promise(member));
    let out: Vec<String> = out.filter_map(|(_, source)| source.is_out()).collect();
    let found =
        format!("{}; {healthy} of {counted} sources are healthy and {needed} must be", out.join(", "));
    match serving {
        Serving::Promised => String::new(),
        Serving::Starting => "starts: its sources are in their start-up test".to_owned(),
        Serving::Held => format!("holds: {found} (onSourceFailure: Hold)"),
        Serving::Degraded => format!(
            "is degraded: {found}, so that classes with allowDegraded are served Stretched bytes and others wait \
             (onSourceFailure: Degrade)"
        ),
    }
}
