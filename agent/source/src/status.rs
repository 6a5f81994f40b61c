//! The status of pools and their sources.

use crate::engine::{Member, Origin, Pool, PoolState, Serving};
use crate::health::HealthState;
use crate::health_records::AlarmRecord;
use crate::kernel::Kernel;
use crate::sampler::SourceStats;
use crate::spec::{Output, SourceKind};

/// Why a healthy source earns no credit.
const NESTED_REASON: &str = "NestedSource";
const DUPLICATE_REASON: &str = "DuplicateSource";

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
    /// What the kind does not say: where its path leads, which generator it is, whether it is nested.
    pub details: Option<String>,
    pub tier: u32,
    /// Whether the pool draws from it now.
    pub active: bool,
    pub state: HealthState,
    /// The instant of the last change of `state`.
    pub since: u64,
    /// Why it is not healthy or earns no credit, as one word.
    pub reason: Option<&'static str>,
    /// The same as a sentence.
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
        let PoolState { serving, since, healthy, active, waits_for_kernel } = pool.state();
        let members = pool.members.iter().zip(pool.duplicates()).zip(active);
        let status = |((member, duplicate), active): ((&Member, Option<&Member>), bool)| {
            let status = SourceStatus::of(member, pool.spec.output, active, since, waits_for_kernel);
            duplicate.map_or(status.clone(), |first| status.duplicate_of(first))
        };
        let sources: Vec<_> = members.map(status).collect();
        Self {
            name: pool.spec.name.clone(),
            promised: pool.spec.output,
            serving,
            since,
            message: message(serving, healthy, pool, &sources, waits_for_kernel),
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
            HealthState::Healthy if self.reason.is_none() => return None,
            HealthState::Healthy => "earns no credit",
            HealthState::Starting => "is in its start-up test",
            HealthState::Suspect => "is suspect",
            HealthState::Failed => "failed",
            HealthState::Unavailable => "is unavailable",
        };
        let reason = self.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("source {} {state}{reason}", self.name))
    }

    /// The source as a second name of another one of the pool.
    fn duplicate_of(self, first: &Member) -> Self {
        let name = &first.spec.name;
        let what = first.provenance().map_or_else(|| first.spec.kind.to_string(), |found| found.identity());
        let message = format!(
            "it is the same source as {name} ({what}), so that it does not count and is not used: one source is not two"
        );
        let reason = Some(DUPLICATE_REASON);
        Self { state: HealthState::Unavailable, active: false, reason, message, ..self }
    }

    fn of(member: &Member, output: Output, active: bool, since: u64, waits_for_kernel: bool) -> Self {
        let (name, kind, tier) = (member.spec.name.clone(), member.spec.kind.clone(), member.spec.tier);
        let status = |state, reason, message| Self {
            name: name.clone(),
            kind: kind.clone(),
            details: member.provenance().and_then(|provenance| provenance.details()),
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
            Origin::Kernel if waits_for_kernel => {
                let (reason, message) = Kernel::NOT_SEEDED;
                status(HealthState::Unavailable, Some(reason), message.to_owned())
            }
            Origin::Kernel => status(HealthState::Healthy, None, String::new()),
            Origin::NotPermitted(message) => {
                status(HealthState::Failed, Some("SourceNotPermitted"), message.clone())
            }
            Origin::Noise(subscription) => {
                let health = subscription.health();
                // A stretched pool gives no credit.
                let noise = match member.no_credit().filter(|_| output != Output::Stretched) {
                    Some(message) if health.state == HealthState::Healthy => {
                        status(health.state, Some(NESTED_REASON), message)
                    }
                    _ => status(health.state, health.reason, health.message),
                };
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

fn message(
    serving: Serving,
    healthy: usize,
    pool: &Pool,
    sources: &[SourceStatus],
    waits_for_kernel: bool,
) -> String {
    // Those that should count, whatever they turned out to be.
    let counts = |member: &Member| member.spec.counts(pool.spec.output);
    let counted = pool.members.iter().filter(|member| counts(member)).count();
    let needed = pool.spec.min_healthy.max(1);
    let counted_members = pool.members.iter().zip(sources).filter(|(member, _)| counts(member));
    let unhealthy: Vec<String> =
        counted_members.filter_map(|(_, source)| source.unhealthy_summary()).collect();
    let summary =
        format!("{}; {healthy} of {counted} sources are healthy and {needed} must be", unhealthy.join(", "));
    match serving {
        Serving::Promised => String::new(),
        Serving::Starting if waits_for_kernel => format!("starts: {}", Kernel::NOT_SEEDED.1),
        Serving::Starting => "starts: its sources are in their start-up test".to_owned(),
        Serving::Held => format!("holds: {summary} (onSourceFailure: Hold)"),
        Serving::Degraded => format!(
            "is degraded: {summary}, so that classes with allowDegraded are served Stretched bytes and others wait \
             (onSourceFailure: Degrade)"
        ),
    }
}
