//! How pools and their sources stand.

use crate::engine::{Member, Origin, Pool, Serving, Standing};
use crate::feeder::Tally;
use crate::health::State;
use crate::spec::{OnFailure, Output, SourceKind};

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
    /// Why it serves no more than that; empty while it serves what it promises.
    pub sentence: String,
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
    pub drawn: bool,
    /// Its state. The kernel's generator is healthy once it is seeded.
    pub state: State,
    /// The instant at which it came to that.
    pub since: u64,
    /// Why it is not healthy, in one word.
    pub reason: Option<&'static str>,
    /// The same for people.
    pub sentence: String,
    /// What it gave and where it failed.
    pub tally: Tally,
}

impl PoolStatus {
    pub(crate) fn of(pool: &Pool) -> Self {
        let Standing { serving, since, healthy, drawn } = pool.standing();
        let sources: Vec<_> = pool
            .members
            .iter()
            .zip(drawn)
            .map(|(member, drawn)| SourceStatus::of(member, drawn, since))
            .collect();
        Self {
            name: pool.spec.name.clone(),
            promised: pool.spec.output,
            serving,
            since,
            sentence: sentence(serving, healthy, pool),
            healthy,
            bytes_out: pool.bytes_out(),
            sources,
        }
    }
}

impl SourceStatus {
    fn of(member: &Member, drawn: bool, since: u64) -> Self {
        let (name, kind, tier) = (member.spec.name.clone(), member.spec.kind.clone(), member.spec.tier);
        let plain = |state, reason, sentence| Self {
            name: name.clone(),
            kind: kind.clone(),
            tier,
            drawn,
            state,
            since,
            reason,
            sentence,
            tally: Tally::default(),
        };
        match &member.origin {
            Origin::Kernel => plain(State::Healthy, None, String::new()),
            Origin::NotPermitted(sentence) => {
                plain(State::Failed, Some("SourceNotPermitted"), sentence.clone())
            }
            Origin::Noise(link) => {
                let health = link.health();
                let noise = plain(health.state, health.reason, health.sentence);
                Self { since: health.since, tally: health.tally, ..noise }
            }
        }
    }
}

fn sentence(serving: Serving, healthy: usize, pool: &Pool) -> String {
    let needed = pool.spec.min_healthy.max(1);
    let counted = pool.members.iter().filter(|member| member.counts(pool.spec.output)).count();
    let found = format!("{healthy} of {counted} sources are healthy and {needed} must be");
    match (serving, pool.spec.on_failure) {
        (Serving::Promised, _) => String::new(),
        (Serving::Starting, _) => "its sources are in their start-up test".to_owned(),
        (Serving::Held, OnFailure::Hold | OnFailure::Degrade) => {
            format!("{found}: requests wait until they are (onSourceFailure: Hold)")
        }
        (Serving::Degraded, _) => {
            format!(
                "{found}: classes with allowDegraded are served Stretched bytes (onSourceFailure: Degrade)"
            )
        }
    }
}
