//! Reviews agents' tokens with the API server, each at most once a minute.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use delivery::agent_auth::{
    AUDIENCE, AgentAccount, AgentIdentity, AgentPod, AuthError, ReviewedToken, confirm, identify,
    is_plausible_token,
};
use delivery::{BearerToken, Nack};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::warn;

use super::review_limits::ReviewLimits;
use super::token_claims;
use crate::api_error::api_error;
use crate::clock;

/// How long a result is cached.
const CACHE_TTL: Duration = Duration::from_mins(1);
/// The size of the cache: all agents of the largest cluster.
const CACHE_SIZE: usize = 16_384;
/// Bounds the load on the API server.
const CONCURRENT_REVIEWS: usize = 64;
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReviewResult {
    /// The token is an agent's.
    Good(AgentIdentity),
    Denied(Nack),
    /// The API server did not answer, which is not a refusal.
    NotMade,
    /// The peer has asked for too many reviews.
    TooMany,
}

pub(crate) struct TokenReviewer {
    api: Api<TokenReview>,
    agents: AgentAccount,
    cache: Mutex<ReviewCache>,
    permits: Semaphore,
    limits: ReviewLimits,
}

type ReviewKey = [u8; 32];

/// Results and their expiry by the token's hash: the token itself is not stored.
#[derive(Debug, Default)]
struct ReviewCache(BTreeMap<ReviewKey, (Duration, ReviewResult)>);

impl ReviewCache {
    fn get(&self, key: &ReviewKey, now: Duration) -> Option<ReviewResult> {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, result)| result.clone())
    }

    fn put(&mut self, key: ReviewKey, result: ReviewResult, now: Duration) {
        if self.0.len() >= CACHE_SIZE {
            self.0.retain(|_, (until, _)| now < *until);
        }
        // A flood of forged tokens costs reviews, but no memory.
        if self.0.len() < CACHE_SIZE && result != ReviewResult::NotMade {
            self.0.insert(key, (now + CACHE_TTL, result));
        }
    }
}

impl TokenReviewer {
    /// `agents` is the service account that agents must have.
    pub(crate) fn new(client: Client, agents: AgentAccount) -> Self {
        let permits = Semaphore::new(CONCURRENT_REVIEWS);
        let limits = ReviewLimits::default();
        Self { api: Api::all(client), agents, cache: Mutex::default(), permits, limits }
    }

    /// Checks that the pod is the one that an agent's token was issued for.
    pub(crate) fn confirm(&self, agent: &AgentIdentity, pod: Option<&AgentPod>) -> Result<(), AuthError> {
        confirm(agent, pod, &self.agents)
    }

    /// Refuses a token that does not even claim to be an agent's.
    pub(crate) fn check_claims(&self, token: &BearerToken) -> Result<(), AuthError> {
        if !is_plausible_token(token.reveal()) {
            return Err(AuthError::NoToken);
        }
        token_claims::check(token.reveal(), &self.agents)
    }

    /// Reviews a token that `peer` presents; `None` is an agent that is asked for it again.
    pub(crate) async fn review(&self, token: &BearerToken, peer: Option<IpAddr>) -> ReviewResult {
        if let Err(denied) = self.check_claims(token) {
            return ReviewResult::Denied(denied.to_nack());
        }
        let key: ReviewKey = Sha256::digest(token.reveal()).into();
        let cached = self.cache().get(&key, clock::since_start());
        if let Some(result) = cached {
            return result;
        }
        if peer.is_some_and(|peer| !self.limits.admit(peer, clock::tick())) {
            return ReviewResult::TooMany;
        }
        let Ok(result) = tokio::time::timeout(REVIEW_TIMEOUT, self.create_review(token)).await else {
            warn!("token review timed out");
            return ReviewResult::NotMade;
        };
        self.cache().put(key, result.clone(), clock::since_start());
        result
    }

    async fn create_review(&self, token: &BearerToken) -> ReviewResult {
        let Ok(_permit) = self.permits.acquire().await else { return ReviewResult::NotMade };
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
                warn!(error = api_error(&error), "token review failed");
                ReviewResult::NotMade
            }
        }
    }

    fn cache(&self) -> MutexGuard<'_, ReviewCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Absent fields count as false or empty.
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
    fn a_result_expires_after_a_minute() {
        let mut cache = ReviewCache::default();
        cache.put([1; 32], good(), Duration::from_secs(10));
        assert_eq!(cache.get(&[1; 32], Duration::from_secs(69)), Some(good()));
        assert_eq!(cache.get(&[1; 32], Duration::from_secs(70)), None);
        assert_eq!(cache.get(&[2; 32], Duration::from_secs(10)), None);
    }

    #[test]
    fn a_review_that_was_not_made_is_not_cached() {
        let mut cache = ReviewCache::default();
        cache.put([1; 32], ReviewResult::NotMade, Duration::ZERO);
        assert_eq!(cache.get(&[1; 32], Duration::ZERO), None);
    }

    #[test]
    fn a_flood_of_tokens_costs_no_memory() {
        let mut cache = ReviewCache::default();
        for number in 0..20_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            cache.put(key, good(), Duration::ZERO);
        }
        assert_eq!(cache.0.len(), CACHE_SIZE);
    }
}
