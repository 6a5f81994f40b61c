//! Has tokens reviewed by the API server, each at most once a minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use delivery::agent_auth::{
    AUDIENCE, AgentAccount, AgentIdentity, AgentPod, AuthError, ReviewedToken, confirm, identify,
    is_plausible_token,
};
use delivery::{Nack, Token};
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
pub(crate) enum ReviewResult {
    /// The bearer is an agent.
    Good(AgentIdentity),
    /// It is not.
    Denied(Nack),
    /// Nobody could say. That is no refusal.
    NotMade,
}

/// Asks the API server, and remembers.
pub(crate) struct TokenReviewer {
    api: Api<TokenReview>,
    agents: AgentAccount,
    kept: Mutex<CachedReview>,
    turn: Semaphore,
}

type ReviewKey = [u8; 32];

/// Verdicts by the token's hash: the token itself is not kept.
#[derive(Debug, Default)]
struct CachedReview(BTreeMap<ReviewKey, (Duration, ReviewResult)>);

impl CachedReview {
    fn get(&self, key: &ReviewKey, now: Duration) -> Option<ReviewResult> {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, verdict)| verdict.clone())
    }

    fn put(&mut self, key: ReviewKey, verdict: ReviewResult, now: Duration) {
        if self.0.len() >= KEPT_AT_MOST {
            self.0.retain(|_, (until, _)| now < *until);
        }
        // A flood of forged tokens costs reviews, but no memory.
        if self.0.len() < KEPT_AT_MOST && verdict != ReviewResult::NotMade {
            self.0.insert(key, (now + KEPT, verdict));
        }
    }
}

impl TokenReviewer {
    /// For these agents.
    pub(crate) fn new(client: Client, agents: AgentAccount) -> Self {
        Self { api: Api::all(client), agents, kept: Mutex::default(), turn: Semaphore::new(AT_ONCE) }
    }

    /// Whether the pod is the one that an agent's token was made for.
    pub(crate) fn confirm(&self, agent: &AgentIdentity, pod: Option<&AgentPod>) -> Result<(), AuthError> {
        confirm(agent, pod, &self.agents)
    }

    /// Who the bearer of the token is.
    pub(crate) async fn review(&self, token: &Token) -> ReviewResult {
        if !is_plausible_token(token.reveal()) {
            return ReviewResult::Denied(AuthError::NoToken.to_nack());
        }
        let key: ReviewKey = Sha256::digest(token.reveal()).into();
        let known = self.kept().get(&key, clock::since_start());
        if let Some(verdict) = known {
            return verdict;
        }
        let Ok(verdict) = tokio::time::timeout(PATIENCE, self.ask(token)).await else {
            warn!("a token could not be reviewed in time");
            return ReviewResult::NotMade;
        };
        self.kept().put(key, verdict.clone(), clock::since_start());
        verdict
    }

    async fn ask(&self, token: &Token) -> ReviewResult {
        let Ok(_turn) = self.turn.acquire().await else { return ReviewResult::NotMade };
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.reveal().to_owned(),
                audiences: Some(vec![AUDIENCE.to_owned()]),
            },
            ..TokenReview::default()
        };
        match self.api.create(&PostParams::default(), &review).await {
            Ok(answer) => match identify(&review_of(answer.status.unwrap_or_default()), &self.agents) {
                Ok(agent) => ReviewResult::Good(agent),
                Err(denied) => ReviewResult::Denied(denied.to_nack()),
            },
            Err(error) => {
                warn!(%error, "a token could not be reviewed");
                ReviewResult::NotMade
            }
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, CachedReview> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is absent counts as not said.
fn review_of(status: TokenReviewStatus) -> ReviewedToken {
    let user = status.user.unwrap_or_default();
    ReviewedToken {
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

    fn good() -> ReviewResult {
        ReviewResult::Good(AgentIdentity { node: "n".to_owned(), pod: "p".to_owned(), uid: "u".to_owned() })
    }

    #[test]
    fn a_verdict_is_asked_for_again_after_a_minute() {
        let mut kept = CachedReview::default();
        kept.put([1; 32], good(), Duration::from_secs(10));
        assert_eq!(kept.get(&[1; 32], Duration::from_secs(69)), Some(good()));
        assert_eq!(kept.get(&[1; 32], Duration::from_secs(70)), None);
        assert_eq!(kept.get(&[2; 32], Duration::from_secs(10)), None);
    }

    #[test]
    fn a_review_that_was_not_made_is_not_remembered() {
        let mut kept = CachedReview::default();
        kept.put([1; 32], ReviewResult::NotMade, Duration::ZERO);
        assert_eq!(kept.get(&[1; 32], Duration::ZERO), None);
    }

    #[test]
    fn a_flood_of_tokens_costs_no_memory() {
        let mut kept = CachedReview::default();
        for number in 0..20_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            kept.put(key, good(), Duration::ZERO);
        }
        assert_eq!(kept.0.len(), KEPT_AT_MOST);
    }
}
