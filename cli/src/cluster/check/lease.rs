//! Whether a controller leads, told by its Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client, Error};

/// The controller's Lease.
const LEASE: &str = "entropool-controller";
/// Between two looks; a holder renews once a second.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS_A_SECOND: u32 = 2;
/// No holder may be silent for longer, whatever it writes.
const LONGEST: u32 = 60;

/// The replica that holds the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) name: String,
    /// For how many seconds it said nothing while it was watched; none if it did.
    pub(super) silent: Option<u32>,
}

/// Who leads, if anybody does. What was written last is not compared with any clock, since the holder's, the API server's
/// and the caller's differ: it is watched whether the holder says something new before it has lost the Lease.
pub(super) async fn leader(client: &Client, namespace: &str) -> Result<Option<Leader>, Error> {
    let api = Api::<Lease>::namespaced(client.clone(), namespace);
    let Some((name, first)) = held(&api).await? else { return Ok(None) };
    let patience = patience(&first);
    for _ in 0..=patience * LOOKS_A_SECOND {
        tokio::time::sleep(LOOK).await;
        match held(&api).await? {
            None => return Ok(None),
            Some((name, now)) if now != first => return Ok(Some(Leader { name, silent: None })),
            Some(_) => {}
        }
    }
    Ok(Some(Leader { name, silent: Some(patience) }))
}

/// The holder, and what it wrote.
async fn held(api: &Api<Lease>) -> Result<Option<(String, LeaseSpec)>, Error> {
    let spec = api.get_opt(LEASE).await?.and_then(|lease| lease.spec);
    let holder =
        |spec: LeaseSpec| Some((spec.holder_identity.clone().filter(|name| !name.is_empty())?, spec));
    Ok(spec.and_then(holder))
}

/// After so many seconds a holder that says nothing has lost the Lease.
fn patience(spec: &LeaseSpec) -> u32 {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u32::try_from(seconds).ok());
    seconds.unwrap_or(1).clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_lease_says_it_is_watched_for_a_minute_at_most() {
        let lease = |seconds| LeaseSpec { lease_duration_seconds: seconds, ..LeaseSpec::default() };
        let told = [Some(4), Some(i32::MAX), Some(-1), Some(0), None].map(|it| patience(&lease(it)));
        assert_eq!(told, [4, 60, 1, 1, 1]);
    }
}
