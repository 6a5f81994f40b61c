//! Leader election: the replica that holds the Lease writes status, and agents connect to it. All replicas can serve.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::api_error::api_error;
use crate::clock;

/// The name of the Lease.
pub(crate) const NAME: &str = "entropool-controller";
/// A holder that has not renewed the Lease for this long has lost it. Short, because status is not updated until
/// another replica takes over; two writers would only cause each other conflicts.
const LEASE_DURATION: Duration = Duration::from_secs(4);
/// A holder that has failed to renew for this long stops writing, before another may start.
const RENEW_DEADLINE: Duration = Duration::from_secs(3);
const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// The longest duration of a Lease that is respected.
const MAX_LEASE_DURATION: Duration = Duration::from_mins(1);
/// Attempts to take the Lease from a live holder.
const FORCE_ATTEMPTS: u32 = 10;
/// The time-out of one attempt.
const TIMEOUT: Duration = Duration::from_millis(2_500);

/// The role of this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// This replica holds the Lease.
    Leader,
    /// Another replica holds the Lease. `renewed` is when it was last seen to renew it; `None` if it never was.
    Follower { renewed: Option<Duration> },
    /// No replica holds the Lease, or the holder is unknown.
    NoLeader,
}

impl Leadership {
    pub(crate) fn leads(self) -> bool {
        self == Self::Leader
    }

    /// Whether an agent that connected at `since` should connect to the leader, which writes what it reports. An agent
    /// that connected after the leader last renewed stays: it may have lost its connection to that leader.
    pub(crate) fn redirects(self, since: Duration) -> bool {
        matches!(self, Self::Follower { renewed: Some(at) } if at > since)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ElectionStep {
    /// This replica holds the Lease.
    Renew,
    /// It has no holder, or it has expired.
    Acquire,
    /// Another replica holds it.
    Wait,
}

/// The last observed Lease, and when it was first observed. The clocks of hosts differ, so a Lease expires when its
/// record has not changed for its duration on our clock.
#[derive(Debug, Default)]
struct ObservedLease {
    record: Option<LeaseRecord>,
    since: Duration,
    /// Whether the record was seen to change, so that its holder is known to have been alive.
    changed: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct LeaseRecord {
    holder: String,
    renewed: Option<MicroTime>,
    duration: Duration,
}

impl LeaseRecord {
    fn of(spec: &LeaseSpec) -> Self {
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.clone().unwrap_or_default(),
            renewed: spec.renew_time.clone(),
            duration: seconds.map_or(LEASE_DURATION, Duration::from_secs).min(MAX_LEASE_DURATION),
        }
    }
}

impl ObservedLease {
    fn observe(&mut self, spec: &LeaseSpec, now: Duration) {
        let record = Some(LeaseRecord::of(spec));
        if self.record != record {
            *self = Self { changed: self.record.is_some(), record, since: now };
        }
    }

    fn role(&self, leading: bool) -> Leadership {
        let held = self.record.as_ref().is_some_and(|record| !record.holder.is_empty());
        match (leading, held) {
            (true, _) => Leadership::Leader,
            (false, true) => Leadership::Follower { renewed: self.changed.then_some(self.since) },
            (false, false) => Leadership::NoLeader,
        }
    }

    fn step(&self, me: &str, now: Duration) -> ElectionStep {
        let Some(record) = &self.record else { return ElectionStep::Acquire };
        if record.holder == me {
            return ElectionStep::Renew;
        }
        let free = record.holder.is_empty() || now >= self.since + record.duration;
        if free { ElectionStep::Acquire } else { ElectionStep::Wait }
    }
}

/// Acquires and renews the Lease, and publishes the role of this replica; never returns.
pub(crate) async fn run(client: Client, namespace: String, me: String, role: Arc<watch::Sender<Leadership>>) {
    let api: Api<Lease> = Api::namespaced(client, &namespace);
    let mut observed = ObservedLease::default();
    let mut renewed: Option<Duration> = None;
    loop {
        let now = clock::since_start();
        match tokio::time::timeout(TIMEOUT, try_acquire_or_renew(&api, &me, &mut observed, now)).await {
            Ok(Ok(held)) => renewed = held.then_some(now),
            Ok(Err(error)) => warn!(error = api_error(&error), "failed to read or write the Lease"),
            Err(_) => warn!("failed to read or write the Lease: the API server does not answer"),
        }
        let now = clock::since_start();
        let leading = renewed.is_some_and(|at| now < at + RENEW_DEADLINE);
        publish(&role, observed.role(leading));
        tokio::time::sleep(RETRY_PERIOD).await;
    }
}

fn publish(role: &watch::Sender<Leadership>, next: Leadership) {
    // An unchanged role is not published: it would wake every stream once a second.
    role.send_if_modified(|role| {
        let before = std::mem::replace(role, next);
        // Another renewal of the same holder is not logged.
        if std::mem::discriminant(&before) != std::mem::discriminant(&next) {
            info!(role = ?next, "leadership changed");
        }
        before != next
    });
}

/// Releases the Lease, so that another replica need not wait until it expires.
pub(crate) async fn release(client: Client, namespace: &str, me: &str) {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    match tokio::time::timeout(TIMEOUT, clear_holder(&api, me)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(error = api_error(&error), "failed to release the Lease"),
        Err(_) => debug!("failed to release the Lease: the API server does not answer"),
    }
}

async fn clear_holder(api: &Api<Lease>, me: &str) -> Result<(), kube::Error> {
    let Some(mut lease) = api.get_opt(NAME).await? else { return Ok(()) };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(me) {
        return Ok(());
    }
    spec.holder_identity = None;
    api.replace(NAME, &PostParams::default(), &lease).await.map(drop)
}

/// Takes the Lease from its holder for the longest duration that replicas respect, so that none of them writes.
pub(crate) async fn force_acquire(client: Client, namespace: &str, me: &str) -> Result<(), kube::Error> {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    // The holder writes the Lease once a second, so one of a few attempts falls between two writes.
    let mut attempts = 0;
    loop {
        attempts += 1;
        match write(&api, api.get_opt(NAME).await?, me, MAX_LEASE_DURATION).await {
            Err(kube::Error::Api(status)) if status.is_conflict() && attempts < FORCE_ATTEMPTS => {}
            written => return written.map(drop),
        }
    }
}

/// Reads the Lease, and acquires or renews it if possible. Returns whether this replica holds it.
async fn try_acquire_or_renew(
    api: &Api<Lease>,
    me: &str,
    observed: &mut ObservedLease,
    now: Duration,
) -> Result<bool, kube::Error> {
    let found = api.get_opt(NAME).await?;
    observed
        .observe(found.as_ref().and_then(|lease| lease.spec.as_ref()).unwrap_or(&LeaseSpec::default()), now);
    if observed.step(me, now) == ElectionStep::Wait {
        return Ok(false);
    }
    match write(api, found, me, LEASE_DURATION).await {
        Ok(lease) => {
            observed.observe(&lease.spec.unwrap_or_default(), now);
            Ok(true)
        }
        // Another replica was faster; the next attempt observes it.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the Lease with this replica as its holder, unless it has changed since it was read.
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
    fn a_lease_is_acquired_when_it_was_not_renewed_for_its_duration() {
        let at = Duration::from_secs;
        let mut observed = ObservedLease::default();
        assert_eq!(observed.step("me", at(1)), ElectionStep::Acquire);
        observed.observe(&held_by("other", 1), at(1));
        assert_eq!(observed.step("me", at(4)), ElectionStep::Wait);
        assert_eq!(observed.step("me", at(5)), ElectionStep::Acquire);
        observed.observe(&held_by("other", 2), at(5));
        assert_eq!(observed.step("me", at(8)), ElectionStep::Wait);
        observed.observe(&held_by("me", 3), at(8));
        assert_eq!(observed.step("me", at(99)), ElectionStep::Renew);
    }

    #[test]
    fn a_holder_may_set_a_longer_duration_up_to_the_maximum() {
        let at = Duration::from_secs;
        let mut observed = ObservedLease::default();
        observed.observe(&LeaseSpec { lease_duration_seconds: Some(30), ..held_by("other", 1) }, at(0));
        assert_eq!(
            (observed.step("me", at(29)), observed.step("me", at(30))),
            (ElectionStep::Wait, ElectionStep::Acquire)
        );
        observed.observe(&LeaseSpec { lease_duration_seconds: Some(9_999), ..held_by("other", 2) }, at(30));
        assert_eq!(observed.step("me", at(90)), ElectionStep::Acquire);
    }

    #[test]
    fn agents_are_redirected_only_to_a_leader_that_renewed_since_they_connected() {
        let at = Duration::from_secs;
        let mut observed = ObservedLease::default();
        assert_eq!(observed.role(false), Leadership::NoLeader);
        observed.observe(&held_by("other", 1), at(1));
        // The holder may have crashed long ago.
        assert!(!observed.role(false).redirects(at(0)));
        observed.observe(&held_by("other", 2), at(3));
        let role = observed.role(false);
        assert!(role.redirects(at(2)) && !role.redirects(at(3)));
        observed.observe(&held_by("me", 3), at(7));
        assert!(!observed.role(true).redirects(at(0)));
    }

    #[test]
    fn expiry_does_not_depend_on_the_holder_s_clock() {
        let mut observed = ObservedLease::default();
        observed.observe(&held_by("other", 1), Duration::from_secs(100));
        observed.observe(&held_by("other", 1), Duration::from_secs(103));
        assert_eq!(observed.step("me", Duration::from_secs(103)), ElectionStep::Wait);
        assert_eq!(observed.step("me", Duration::from_secs(104)), ElectionStep::Acquire);
    }

    #[test]
    fn a_released_lease_can_be_acquired_at_once() {
        let mut observed = ObservedLease::default();
        observed.observe(&LeaseSpec::default(), Duration::from_secs(7));
        assert_eq!(observed.step("me", Duration::from_secs(7)), ElectionStep::Acquire);
    }
}
