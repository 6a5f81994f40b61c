//! The status of pools and their sources.

use crate::engine::{Member, Origin, Pool, PoolState, Serving};
use crate::health::HealthState;
use crate::health_records::AlarmRecord;
use crate::sampler::SourceStats;
use crate::spec::{Output, SourceKind};

#[derive(Clone, Debug)]
pub struct PoolStatus {
    pub name: String,
    pub promised: Output,
    pub serving: Serving,
    /// The instant of the last change of `serving`.
    pub since: u64,
    /// Why it does not serve what it promises, to follow the pool's name: `holds: source trng failed
    /// (RepetitionCount); …`. Empty while it does.
    pub message: String,
    /// How many of the sources that its output may depend on are healthy.
    pub healthy: usize,
    /// Bytes made for the pool's VMs.
    pub bytes_out: u64,
    /// In the order of the pool's configuration.
    pub sources: Vec<SourceStatus>,
}

#[derive(Clone, Debug)]
pub struct SourceStatus {
    pub name: String,
    pub kind: SourceKind,
    pub tier: u32,
    /// Whether the pool draws from it now.
    pub active: bool,
    pub state: HealthState,
    /// The instant of the last change of `state`.
    pub since: u64,
    /// Why it is not healthy, as one word.
    pub reason: Option<&'static str>,
    /// Why it is not healthy, as a sentence.
    pub message: String,
    pub stats: SourceStats,
    /// The last alarms of its health tests, oldest first.
    pub alarms: Vec<AlarmRecord>,
    /// Estimated bits of min-entropy of a byte, an upper bound; `None` until there are enough samples.
    pub estimate: Option<f64>,
    /// Whether a retest has no verdict yet.
    pub retesting: bool,
}

impl PoolStatus {
    pub(crate) fn of(pool: &Pool) -> Self {
        let PoolState { serving, since, healthy, active } = pool.state();
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
    /// State and reason of an unhealthy source, in a few words.
    fn unhealthy_summary(&self) -> Option<String> {
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
        let status = |state, reason, message| Self {
            name: name.clone(),
            kind: kind.clone(),
            tier,
            active,
            state,
            since,
            reason,
            message,
            stats: SourceStats::default(),
            alarms: vec![],
            estimate: None,
            retesting: false,
        };
        match &member.origin {
            Origin::Kernel => status(HealthState::Healthy, None, String::new()),
            Origin::NotPermitted(message) => {
                status(HealthState::Failed, Some("SourceNotPermitted"), message.clone())
            }
            Origin::Noise(subscription) => {
                let health = subscription.health();
                let noise = status(health.state, health.reason, health.message);
                Self {
                    since: health.since,
                    stats: health.stats,
                    alarms: health.alarms,
                    estimate: health.estimate,
                    retesting: health.retesting,
                    ..noise
                }
            }
        }
    }
}

fn message(serving: Serving, healthy: usize, pool: &Pool, sources: &[SourceStatus]) -> String {
    let counts = |member: &&Member| member.counts(pool.spec.output);
    let counted = pool.members.iter().filter(counts).count();
    let needed = pool.spec.min_healthy.max(1);
    let counted_members = pool.members.iter().zip(sources).filter(|(member, _)| counts(member));
    let unhealthy: Vec<String> =
        counted_members.filter_map(|(_, source)| source.unhealthy_summary()).collect();
    let summary =
        format!("{}; {healthy} of {counted} sources are healthy and {needed} must be", unhealthy.join(", "));
    match serving {
        Serving::Promised => String::new(),
        Serving::Starting => "starts: its sources are in their start-up test".to_owned(),
        Serving::Held => format!("holds: {summary} (onSourceFailure: Hold)"),
        Serving::Degraded => format!(
            "is degraded: {summary}, so that classes with allowDegraded are served Stretched bytes and others wait \
             (onSourceFailure: Degrade)"
        ),
    }
}
