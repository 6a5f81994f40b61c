//! Whether a controller leads, by its Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client, Error};

const LEASE: &str = "entropool-controller";
/// The time between two reads; a holder renews once a second.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const POLLS_PER_SECOND: u32 = 2;
/// The longest time to wait for a renewal, whatever the Lease says.
const MAX_SECONDS: u32 = 60;

/// The replica that holds the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) name: String,
    /// The seconds for which it did not renew while it was watched; `None` if it renewed.
    pub(super) silent: Option<u32>,
}

/// The leader, if there is one. The time of the last renewal is not compared with a clock, since those of the holder, the
/// API server and the caller differ: the Lease is watched for a renewal until it would expire.
pub(super) async fn leader(client: &Client, namespace: &str) -> Result<Option<Leader>, Error> {
    let api = Api::<Lease>::namespaced(client.clone(), namespace);
    let Some((name, first)) = holder(&api).await? else { return Ok(None) };
    let seconds = lease_seconds(&first);
    for _ in 0..=seconds * POLLS_PER_SECOND {
        tokio::time::sleep(POLL_INTERVAL).await;
        match holder(&api).await? {
            None => return Ok(None),
            Some((name, now)) if now != first => return Ok(Some(Leader { name, silent: None })),
            Some(_) => {}
        }
    }
    Ok(Some(Leader { name, silent: Some(seconds) }))
}

/// The holder, and the Lease as it wrote it.
async fn holder(api: &Api<Lease>) -> Result<Option<(String, LeaseSpec)>, Error> {
    let spec = api.get_opt(LEASE).await?.and_then(|lease| lease.spec);
    let holder =
        |spec: LeaseSpec| Some((spec.holder_identity.clone().filter(|name| !name.is_empty())?, spec));
    Ok(spec.and_then(holder))
}

/// The seconds after which a holder that does not renew has lost the Lease.
fn lease_seconds(spec: &LeaseSpec) -> u32 {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.unwrap_or(1).clamp(1, MAX_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_watched_for_at_most_a_minute() {
        let lease = |seconds| LeaseSpec { lease_duration_seconds: seconds, ..LeaseSpec::default() };
        let seconds = [Some(4), Some(i32::MAX), Some(-1), Some(0), None].map(|it| lease_seconds(&lease(it)));
        assert_eq!(seconds, [4, 60, 1, 1, 1]);
    }
}
