//! Has tokens reviewed by the API server, each at most once a minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use delivery::trust::{AUDIENCE, Agents, Denied, Identity, Pod, Review, confirm, identify, worth_a_review};
use delivery::{Refusal, Token};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::clock;

/// A verdict is good for so long.
const KEPT: Duration = Duration::from_mins(1);
/// So many verdicts are kept: every agent's, of the largest cluster there is.
const KEPT_AT_MOST: usize = 16_384;
/// Reviews under way at a time: the API server has others to serve.
const AT_ONCE: usize = 64;
/// A review that takes longer was not made.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reviewed {
    /// The bearer is an agent.
    Good(Identity),
    /// It is not.
    Denied(Refusal),
    /// Nobody could say. That is no refusal.
    NotMade,
}

/// Asks the API server, and remembers.
pub(crate) struct Reviewer {
    api: Api<TokenReview>,
    agents: Agents,
    kept: Mutex<Kept>,
    turn: Semaphore,
}

type Key = [u8; 32];

/// Verdicts by the token's hash: the token itself is not kept.
#[derive(Debug, Default)]
struct Kept(BTreeMap<Key, (Duration, Reviewed)>);

impl Kept {
    fn get(&self, key: &Key, now: Duration) -> Option<Reviewed> {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, verdict)| verdict.clone())
    }

    fn put(&mut self, key: Key, verdict: Reviewed, now: Duration) {
        if self.0.len() >= KEPT_AT_MOST {
            self.0.retain(|_, (until, _)| now < *until);
        }
        // A flood of forged tokens costs reviews, but no memory.
        if self.0.len() < KEPT_AT_MOST && verdict != Reviewed::NotMade {
            self.0.insert(key, (now + KEPT, verdict));
        }
    }
}

impl Reviewer {
    /// For these agents.
    pub(crate) fn new(client: Client, agents: Agents) -> Self {
        Self { api: Api::all(client), agents, kept: Mutex::default(), turn: Semaphore::new(AT_ONCE) }
    }

    /// Whether the pod is the one that an agent's token was made for.
    pub(crate) fn confirm(&self, agent: &Identity, pod: Option<&Pod>) -> Result<(), Denied> {
        confirm(agent, pod, &self.agents)
    }

    /// Who the bearer of the token is.
    pub(crate) async fn review(&self, token: &Token) -> Reviewed {
        if !worth_a_review(token.reveal()) {
            return Reviewed::Denied(Denied::NoToken.refusal());
        }
        let key: Key = Sha256::digest(token.reveal()).into();
        let known = self.kept().get(&key, clock::since_start());
        if let Some(verdict) = known {
            return verdict;
        }
        let Ok(verdict) = tokio::time::timeout(PATIENCE, self.ask(token)).await else {
            warn!("a token could not be reviewed in time");
            return Reviewed::NotMade;
        };
        self.kept().put(key, verdict.clone(), clock::since_start());
        verdict
    }

    async fn ask(&self, token: &Token) -> Reviewed {
        let Ok(_turn) = self.turn.acquire().await else { return Reviewed::NotMade };
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.reveal().to_owned(),
                audiences: Some(vec![AUDIENCE.to_owned()]),
            },
            ..TokenReview::default()
        };
        match self.api.create(&PostParams::default(), &review).await {
            Ok(answer) => match identify(&review_of(answer.status.unwrap_or_default()), &self.agents) {
                Ok(agent) => Reviewed::Good(agent),
                Err(denied) => Reviewed::Denied(denied.refusal()),
            },
            Err(error) => {
                warn!(%error, "a token could not be reviewed");
                Reviewed::NotMade
            }
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is absent counts as not said.
fn review_of(status: TokenReviewStatus) -> Review {
    let user = status.user.unwrap_or_default();
    Review {
        authenticated: status.authenticated.unwrap_or_default(),
        error: status.error.unwrap_or_default(),
        audiences: status.audiences.unwrap_or_default().into_iter().collect(),
        username: user.username.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Reviewed {
        Reviewed::Good(Identity { node: "n".to_owned(), pod: "p".to_owned(), uid: "u".to_owned() })
    }

    #[test]
    fn a_verdict_is_asked_for_again_after_a_minute() {
        let mut kept = Kept::default();
        kept.put([1; 32], good(), Duration::from_secs(10));
        assert_eq!(kept.get(&[1; 32], Duration::from_secs(69)), Some(good()));
        assert_eq!(kept.get(&[1; 32], Duration::from_secs(70)), None);
        assert_eq!(kept.get(&[2; 32], Duration::from_secs(10)), None);
    }

    #[test]
    fn a_review_that_was_not_made_is_not_remembered() {
        let mut kept = Kept::default();
        kept.put([1; 32], Reviewed::NotMade, Duration::ZERO);
        assert_eq!(kept.get(&[1; 32], Duration::ZERO), None);
    }

    #[test]
    fn a_flood_of_tokens_costs_no_memory() {
        let mut kept = Kept::default();
        for number in 0..20_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            kept.put(key, good(), Duration::ZERO);
        }
        assert_eq!(kept.0.len(), KEPT_AT_MOST);
    }
}
