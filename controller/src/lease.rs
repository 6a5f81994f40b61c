//! Who writes: the replica that holds the Lease. All of them serve.

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
/// A holder that has not renewed for so long has lost it.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long stops writing: well before another may start.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks.
const EACH: Duration = Duration::from_secs(2);

/// Without a renewal for so long, a holder is doubted: agents need not wait for the Lease to run out.
const DOUBT: Duration = Duration::from_secs(5);

/// What this replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It holds the Lease, and writes.
    Leader,
    /// Another does, and agents had better be there: what they report is written there.
    Follower,
    /// Nobody does, or nobody knows: every replica serves whoever comes.
    Alone,
}

impl Role {
    /// Whether it writes.
    pub(crate) fn leads(self) -> bool {
        self == Self::Leader
    }

    /// Whether agents are served here.
    pub(crate) fn serves(self) -> bool {
        self != Self::Follower
    }
}

/// What to do about the Lease.
#[derive(Debug, PartialEq, Eq)]
enum Step {
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
struct Observed {
    record: Option<(Option<String>, Option<MicroTime>)>,
    since: Duration,
}

impl Observed {
    fn see(&mut self, spec: &LeaseSpec, now: Duration) {
        let record = Some((spec.holder_identity.clone(), spec.renew_time.clone()));
        if self.record != record {
            *self = Self { record, since: now };
        }
    }

    fn role(&self, leading: bool, now: Duration) -> Role {
        let held =
            self.record.as_ref().is_some_and(|(holder, _)| holder.as_ref().is_some_and(|it| !it.is_empty()));
        match leading {
            true => Role::Leader,
            false if held && now < self.since + DOUBT => Role::Follower,
            false => Role::Alone,
        }
    }

    fn step(&self, me: &str, now: Duration) -> Step {
        let holder = self.record.as_ref().and_then(|(holder, _)| holder.as_deref()).unwrap_or_default();
        if holder == me {
            return Step::Renew;
        }
        if holder.is_empty() || now >= self.since + DURATION { Step::Take } else { Step::Wait }
    }
}

/// Holds the Lease whenever it can, and says what that makes of this replica; ends never.
pub(crate) async fn run(client: Client, namespace: String, me: String, role: Arc<watch::Sender<Role>>) {
    let api: Api<Lease> = Api::namespaced(client, &namespace);
    let mut observed = Observed::default();
    let mut renewed: Option<Duration> = None;
    loop {
        let now = clock::since_start();
        match tokio::time::timeout(EACH * 2, attempt(&api, &me, &mut observed, now)).await {
            Ok(Ok(held)) => renewed = held.then_some(now),
            Ok(Err(error)) => warn!(%error, "the Lease cannot be looked at"),
            Err(_) => warn!("the API server does not answer about the Lease"),
        }
        let now = clock::since_start();
        let leading = renewed.is_some_and(|at| now < at + DEADLINE);
        let next = observed.role(leading, now);
        if role.send_replace(next) != next {
            info!(role = ?next, "the Lease");
        }
        tokio::time::sleep(EACH).await;
    }
}

/// Gives the Lease up, so that another replica need not wait for it to run out.
pub(crate) async fn release(client: Client, namespace: &str, me: &str) {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let Ok(Some(mut lease)) = api.get_opt(NAME).await else { return };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(me) {
        return;
    }
    spec.holder_identity = None;
    if let Err(error) = api.replace(NAME, &PostParams::default(), &lease).await {
        debug!(%error, "the Lease was not given up");
    }
}

/// One look, and whether the Lease is ours after it.
async fn attempt(
    api: &Api<Lease>,
    me: &str,
    observed: &mut Observed,
    now: Duration,
) -> Result<bool, kube::Error> {
    let found = api.get_opt(NAME).await?;
    let exists = found.is_some();
    let mut lease = found.unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    let spec = lease.spec.get_or_insert_default();
    observed.see(spec, now);
    let step = observed.step(me, now);
    if step == Step::Wait {
        return Ok(false);
    }
    claim(spec, me, &step);
    let params = PostParams::default();
    let written =
        if exists { api.replace(NAME, &params, &lease).await } else { api.create(&params, &lease).await };
    match written {
        Ok(lease) => {
            observed.see(&lease.spec.unwrap_or_default(), now);
            Ok(true)
        }
        // Another was quicker; the next look shows who.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

fn claim(spec: &mut LeaseSpec, me: &str, step: &Step) {
    let now = MicroTime(clock::wall().0);
    if *step == Step::Take {
        spec.holder_identity = Some(me.to_owned());
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
    }
    spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
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
        let mut observed = Observed::default();
        assert_eq!(observed.step("me", at(1)), Step::Take);
        observed.see(&held_by("other", 1), at(1));
        assert_eq!(observed.step("me", at(15)), Step::Wait);
        assert_eq!(observed.step("me", at(16)), Step::Take);
        observed.see(&held_by("other", 2), at(16));
        assert_eq!(observed.step("me", at(30)), Step::Wait);
        observed.see(&held_by("me", 3), at(30));
        assert_eq!(observed.step("me", at(99)), Step::Renew);
    }

    #[test]
    fn every_replica_serves_while_nobody_is_known_to_hold_the_lease() {
        let at = Duration::from_secs;
        let mut observed = Observed::default();
        assert_eq!(observed.role(false, at(1)), Role::Alone);
        observed.see(&held_by("other", 1), at(1));
        assert_eq!((observed.role(false, at(5)), observed.role(false, at(6))), (Role::Follower, Role::Alone));
        observed.see(&held_by("me", 2), at(7));
        assert_eq!(observed.role(true, at(7)), Role::Leader);
    }

    #[test]
    fn a_holder_whose_clock_is_wrong_by_hours_is_judged_by_ours() {
        let mut observed = Observed::default();
        observed.see(&held_by("other", 1), Duration::from_secs(100));
        observed.see(&held_by("other", 1), Duration::from_secs(114));
        assert_eq!(observed.step("me", Duration::from_secs(114)), Step::Wait);
        assert_eq!(observed.step("me", Duration::from_secs(115)), Step::Take);
    }

    #[test]
    fn a_lease_given_up_is_free_at_once() {
        let mut observed = Observed::default();
        observed.see(&LeaseSpec::default(), Duration::from_secs(7));
        assert_eq!(observed.step("me", Duration::from_secs(7)), Step::Take);
    }
}
