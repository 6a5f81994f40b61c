//! Who writes: the replica that holds the Lease. All of them serve, and agents gather where status is written.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::clock;

/// The Lease's name.
pub(crate) const NAME: &str = "entropool-controller";
/// A holder that has not renewed for so long has lost it. Two writers would only cost each other conflicts, so this may
/// be short: what users see stands still until then.
const DURATION: Duration = Duration::from_secs(4);
/// A holder that could not renew for so long stops writing: before another may start.
const DEADLINE: Duration = Duration::from_secs(3);
/// Between two looks.
const EACH: Duration = Duration::from_secs(1);
/// No holder may be silent for longer, whatever it writes.
const LONGEST: Duration = Duration::from_mins(1);
/// Attempts to take it from one who lives.
const SEIZE_TRIES: u32 = 10;
/// A look that takes longer has failed.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// What this replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// It holds the Lease, and writes.
    Leader,
    /// Another does, or did when it was last heard of.
    Follower {
        /// When it was last seen to renew; none if it only stood in the Lease. Agents that came before that had better
        /// be there: what they report is written there.
        heard: Option<Duration>,
    },
    /// Nobody does, or nobody knows.
    NoLeader,
}

impl Leadership {
    /// Whether it writes.
    pub(crate) fn leads(self) -> bool {
        self == Self::Leader
    }

    /// Whether an agent that came at `since` had better be with another replica. One that came after the holder was last
    /// heard of stays: the holder may be the one that it has lost.
    pub(crate) fn sends_away(self, since: Duration) -> bool {
        matches!(self, Self::Follower { heard: Some(at) } if at > since)
    }
}

/// What to do about the Lease.
#[derive(Debug, PartialEq, Eq)]
enum ElectionStep {
    /// Ours: say so again.
    Renew,
    /// Nobody's, or a holder's that is gone: take it.
    Take,
    /// Somebody else's.
    Wait,
}

/// What was last seen of the Lease, and when it was first seen so. Clocks of hosts differ, so a holder is
/// judged by how long its record has not changed before our eyes.
#[derive(Debug, Default)]
struct ObservedLease {
    record: Option<LeaseRecord>,
    since: Duration,
    /// Whether the record changed before our eyes: then its holder was alive.
    alive: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct LeaseRecord {
    holder: String,
    renewed: Option<MicroTime>,
    /// For how long it is the holder's without a renewal.
    duration: Duration,
}

impl LeaseRecord {
    fn of(spec: &LeaseSpec) -> Self {
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.clone().unwrap_or_default(),
            renewed: spec.renew_time.clone(),
            duration: seconds.map_or(DURATION, Duration::from_secs).min(LONGEST),
        }
    }
}

impl ObservedLease {
    fn see(&mut self, spec: &LeaseSpec, now: Duration) {
        let record = Some(LeaseRecord::of(spec));
        if self.record != record {
            *self = Self { alive: self.record.is_some(), record, since: now };
        }
    }

    fn role(&self, leading: bool) -> Leadership {
        let held = self.record.as_ref().is_some_and(|record| !record.holder.is_empty());
        match (leading, held) {
            (true, _) => Leadership::Leader,
            (false, true) => Leadership::Follower { heard: self.alive.then_some(self.since) },
            (false, false) => Leadership::NoLeader,
        }
    }

    fn step(&self, me: &str, now: Duration) -> ElectionStep {
        let Some(record) = &self.record else { return ElectionStep::Take };
        if record.holder == me {
            return ElectionStep::Renew;
        }
        let over = record.holder.is_empty() || now >= self.since + record.duration;
        if over { ElectionStep::Take } else { ElectionStep::Wait }
    }
}

/// Holds the Lease whenever it can, and says what that makes of this replica; ends never.
pub(crate) async fn run(client: Client, namespace: String, me: String, role: Arc<watch::Sender<Leadership>>) {
    let api: Api<Lease> = Api::namespaced(client, &namespace);
    let mut observed = ObservedLease::default();
    let mut renewed: Option<Duration> = None;
    loop {
        let now = clock::since_start();
        match tokio::time::timeout(PATIENCE, attempt(&api, &me, &mut observed, now)).await {
            Ok(Ok(held)) => renewed = held.then_some(now),
            Ok(Err(error)) => warn!(%error, "the Lease cannot be looked at"),
            Err(_) => warn!("the API server does not answer about the Lease"),
        }
        let now = clock::since_start();
        let leading = renewed.is_some_and(|at| now < at + DEADLINE);
        tell(&role, observed.role(leading));
        tokio::time::sleep(EACH).await;
    }
}

fn tell(role: &watch::Sender<Leadership>, next: Leadership) {
    // That this replica leads still is said to nobody: every stream would wake for it, once a second.
    role.send_if_modified(|role| {
        let before = std::mem::replace(role, next);
        // That its holder is alive is no news.
        if std::mem::discriminant(&before) != std::mem::discriminant(&next) {
            info!(role = ?next, "the Lease");
        }
        before != next
    });
}

/// Gives the Lease up, so that another replica need not wait for it to run out.
pub(crate) async fn release(client: Client, namespace: &str, me: &str) {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    match tokio::time::timeout(PATIENCE, give_up(&api, me)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "the Lease was not given up"),
        Err(_) => debug!("the API server does not answer about the Lease"),
    }
}

async fn give_up(api: &Api<Lease>, me: &str) -> Result<(), kube::Error> {
    let Some(mut lease) = api.get_opt(NAME).await? else { return Ok(()) };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(me) {
        return Ok(());
    }
    spec.holder_identity = None;
    api.replace(NAME, &PostParams::default(), &lease).await.map(drop)
}

/// Takes the Lease from whoever holds it, and keeps all replicas from writing for the longest time there is.
pub(crate) async fn force_acquire(client: Client, namespace: &str, me: &str) -> Result<(), kube::Error> {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    // Its holder writes it once a second: of a few attempts one is between two of its writes.
    let mut tries = 0;
    loop {
        tries += 1;
        match write(&api, api.get_opt(NAME).await?, me, LONGEST).await {
            Err(kube::Error::Api(status)) if status.is_conflict() && tries < SEIZE_TRIES => {}
            written => return written.map(drop),
        }
    }
}

/// One look, and whether the Lease is ours after it.
async fn attempt(
    api: &Api<Lease>,
    me: &str,
    observed: &mut ObservedLease,
    now: Duration,
) -> Result<bool, kube::Error> {
    let found = api.get_opt(NAME).await?;
    observed.see(found.as_ref().and_then(|lease| lease.spec.as_ref()).unwrap_or(&LeaseSpec::default()), now);
    if observed.step(me, now) == ElectionStep::Wait {
        return Ok(false);
    }
    match write(api, found, me, DURATION).await {
        Ok(lease) => {
            observed.see(&lease.spec.unwrap_or_default(), now);
            Ok(true)
        }
        // Another was quicker; the next look shows who.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the Lease as ours, if it still is what was found.
async fn write(
    api: &Api<Lease>,
    found: Option<Lease>,
    me: &str,
    duration: Duration,
) -> Result<Lease, kube::Error> {
    let exists = found.is_some();
    let mut lease = found.unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    claim(lease.spec.get_or_insert_default(), me, duration);
    let params = PostParams::default();
    if exists { api.replace(NAME, &params, &lease).await } else { api.create(&params, &lease).await }
}

fn claim(spec: &mut LeaseSpec, me: &str, duration: Duration) {
    let now = MicroTime(clock::wall().0);
    if spec.holder_identity.as_deref() != Some(me) {
        spec.holder_identity = Some(me.to_owned());
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
    }
    spec.lease_duration_seconds = i32::try_from(duration.as_secs()).ok();
    spec.renew_time = Some(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: &str, second: i64) -> LeaseSpec {
        let time = jiff::Timestamp::new(second, 0).expect("a small number of seconds is a time");
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            renew_time: Some(MicroTime(time)),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_when_its_holder_was_silent_for_long_enough() {
        let at = Duration::from_secs;
        let mut observed = ObservedLease::default();
        assert_eq!(observed.step("me", at(1)), ElectionStep::Take);
        observed.see(&held_by("other", 1), at(1));
        assert_eq!(observed.step("me", at(4)), ElectionStep::Wait);
        assert_eq!(observed.step("me", at(5)), ElectionStep::Take);
        observed.see(&held_by("other", 2), at(5));
        assert_eq!(observed.step("me", at(8)), ElectionStep::Wait);
        observed.see(&held_by("me", 3), at(8));
        assert_eq!(observed.step("me", at(99)), ElectionStep::Renew);
    }

    #[test]
    fn a_holder_may_ask_for_longer_but_not_for_ever() {
        let at = Duration::from_secs;
        let mut observed = ObservedLease::default();
        observed.see(&LeaseSpec { lease_duration_seconds: Some(30), ..held_by("other", 1) }, at(0));
        assert_eq!(
            (observed.step("me", at(29)), observed.step("me", at(30))),
            (ElectionStep::Wait, ElectionStep::Take)
        );
        observed.see(&LeaseSpec { lease_duration_seconds: Some(9_999), ..held_by("other", 2) }, at(30));
        assert_eq!(observed.step("me", at(90)), ElectionStep::Take);
    }

    #[test]
    fn agents_are_sent_to_a_holder_that_was_seen_alive_since_they_came_and_to_no_other() {
        let at = Duration::from_secs;
        let mut observed = ObservedLease::default();
        assert_eq!(observed.role(false), Leadership::NoLeader);
        observed.see(&held_by("other", 1), at(1));
        // It stands there, and may have crashed long ago.
        assert!(!observed.role(false).sends_away(at(0)));
        observed.see(&held_by("other", 2), at(3));
        let role = observed.role(false);
        assert!(role.sends_away(at(2)) && !role.sends_away(at(3)));
        observed.see(&held_by("me", 3), at(7));
        assert!(!observed.role(true).sends_away(at(0)));
    }

    #[test]
    fn a_holder_whose_clock_is_wrong_by_hours_is_judged_by_ours() {
        let mut observed = ObservedLease::default();
        observed.see(&held_by("other", 1), Duration::from_secs(100));
        observed.see(&held_by("other", 1), Duration::from_secs(103));
        assert_eq!(observed.step("me", Duration::from_secs(103)), ElectionStep::Wait);
        assert_eq!(observed.step("me", Duration::from_secs(104)), ElectionStep::Take);
    }

    #[test]
    fn a_lease_given_up_is_free_at_once() {
        let mut observed = ObservedLease::default();
        observed.see(&LeaseSpec::default(), Duration::from_secs(7));
        assert_eq!(observed.step("me", Duration::from_secs(7)), ElectionStep::Take);
    }
}
