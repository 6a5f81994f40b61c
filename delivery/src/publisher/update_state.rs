//! What to send to an agent, and when.

use std::sync::Arc;

use crate::message::{AgentSubscription, Nack, PoolRefusal, Update};
use crate::resource_set::{self, Delta, Hash, Inventory, ResourceSet};
use crate::version::{Version, WatchedKind};
use clock::{Span, Tick};

/// The time after which an unanswered update is sent again.
pub const ACK_TIMEOUT: Span = Span::seconds(5);
/// The number of times that an update is sent before the stream ends.
pub const MAX_ATTEMPTS: u32 = 3;

/// Whether an agent runs what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckState {
    /// It has not subscribed, or nothing is published yet.
    Unknown,
    /// It runs what is published.
    Programmed,
    /// It does not run what is published yet.
    Behind,
    /// It runs what is published, but for these pools.
    PoolsRefused(Vec<PoolRefusal>),
    /// It refuses what is published.
    Refused(Nack),
}

/// What the node should run.
#[derive(Clone, Debug)]
pub(super) struct Desired<B> {
    pub(super) version: Version,
    pub(super) content: Arc<ResourceSet<B>>,
}

/// What the agent holds. Once it has acknowledged a set, that one represents it, since all agents share it.
#[derive(Debug)]
enum AgentHas<B> {
    Reported(Inventory, Hash),
    Acked(Arc<ResourceSet<B>>),
}

/// An update without an answer.
#[derive(Debug)]
struct PendingUpdate<B> {
    nonce: u64,
    sent: Tick,
    attempts: u32,
    desired: Desired<B>,
}

/// A set that the agent refuses.
#[derive(Debug)]
struct NackedUpdate {
    digest: Hash,
    /// It is valid, but older than what the agent runs.
    older: bool,
    refusal: Nack,
}

/// A set of which the agent refuses some pools, and runs the rest.
#[derive(Debug)]
struct PartialUpdate {
    digest: Hash,
    refused: Vec<PoolRefusal>,
}

/// Whether the watched objects were listed again since the agent subscribed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum RelistState {
    /// Not since the agent subscribed.
    #[default]
    Needed,
    /// The caller retries until it succeeds; another request would only restart it.
    Requested,
    /// What is published is current.
    Done,
}

impl RelistState {
    /// Requests a list unless one was requested already. Returns whether it did.
    pub(super) fn request(&mut self) -> bool {
        let needed = matches!(self, Self::Needed);
        if needed {
            *self = Self::Requested;
        }
        needed
    }

    pub(super) fn done(&mut self) {
        // A list that was not requested may be older than what the agent has seen.
        if matches!(self, Self::Requested) {
            *self = Self::Done;
        }
    }

    pub(super) fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}

#[derive(Debug)]
struct AgentConfig<B> {
    subscription: AgentSubscription,
    held: AgentHas<B>,
    version: Version,
    /// The agent knows that what it holds is what it should hold.
    confirmed: bool,
    nacked: Option<NackedUpdate>,
    partial: Option<PartialUpdate>,
    relist: RelistState,
}

#[derive(Debug)]
pub(super) struct UpdateState<B> {
    desired: Option<Desired<B>>,
    agent: Option<AgentConfig<B>>,
    pending: Option<PendingUpdate<B>>,
    nonce: u64,
}

pub(super) enum UpdateDue<B> {
    Nothing,
    Send(Update<B>),
    List(Vec<WatchedKind>),
    End,
}

impl<B> Default for UpdateState<B> {
    fn default() -> Self {
        Self { desired: None, agent: None, pending: None, nonce: 0 }
    }
}

impl<B> AgentHas<B> {
    fn digest(&self) -> Hash {
        match self {
            Self::Reported(_, digest) => *digest,
            Self::Acked(content) => content.digest(),
        }
    }
}

impl<B: Clone> AgentHas<B> {
    fn inventory(&self) -> Inventory {
        match self {
            Self::Reported(inventory, _) => inventory.clone(),
            Self::Acked(content) => content.inventory(),
        }
    }
}

impl<B: Clone> UpdateState<B> {
    pub(super) fn agent(&self) -> Option<&AgentSubscription> {
        self.agent.as_ref().map(|agent| &agent.subscription)
    }

    pub(super) fn publish(&mut self, desired: Desired<B>) {
        self.desired = Some(desired);
    }

    pub(super) fn listed(&mut self) {
        if let Some(agent) = &mut self.agent {
            agent.relist.done();
        }
    }

    pub(super) fn subscribe(&mut self, mut subscription: AgentSubscription) {
        let held = std::mem::take(&mut subscription.held);
        let digest = resource_set::digest(&held);
        self.pending = None;
        self.agent = Some(AgentConfig {
            version: std::mem::take(&mut subscription.version),
            subscription,
            held: AgentHas::Reported(held, digest),
            confirmed: false,
            nacked: None,
            partial: None,
            relist: RelistState::default(),
        });
    }

    pub(super) fn ack(&mut self, nonce: u64, refused: Vec<PoolRefusal>) {
        if let (Some(pending), Some(agent)) = (self.pending.take_if(|it| it.nonce == nonce), &mut self.agent)
        {
            let content = pending.desired.content;
            let digest = content.digest();
            let refused = of_its_pools(refused, &content);
            agent.held = if refused.is_empty() {
                AgentHas::Acked(content)
            } else {
                let is_refused = |pool: &str| refused.iter().any(|refused| refused.pool == pool);
                let before = agent.held.inventory();
                let held = resource_set::with_pools_of(&content.inventory(), &before, is_refused);
                let digest = resource_set::digest(&held);
                AgentHas::Reported(held, digest)
            };
            agent.partial = (!refused.is_empty()).then_some(PartialUpdate { digest, refused });
            agent.version = pending.desired.version;
            agent.confirmed = true;
            agent.nacked = None;
        }
    }

    pub(super) fn nack(&mut self, nonce: u64, refusal: Nack) {
        if let (Some(pending), Some(agent)) = (self.pending.take_if(|it| it.nonce == nonce), &mut self.agent)
        {
            let older = refusal.reason == Nack::OLDER_REASON;
            agent.nacked = Some(NackedUpdate { digest: pending.desired.content.digest(), older, refusal });
        }
    }

    pub(super) fn ack_state(&self) -> AckState {
        let (Some(desired), Some(agent)) = (&self.desired, &self.agent) else { return AckState::Unknown };
        match &agent.nacked {
            Some(nacked) if nacked.still_applies(desired, agent) => AckState::Refused(nacked.refusal.clone()),
            _ if agent.is_partial(desired) && self.pending.is_none() => {
                AckState::PoolsRefused(agent.partial.iter().flat_map(|it| it.refused.clone()).collect())
            }
            _ if agent.runs(desired) && self.pending.is_none() => AckState::Programmed,
            _ => AckState::Behind,
        }
    }

    pub(super) fn due(&mut self, now: Tick) -> UpdateDue<B> {
        if let Some(pending) = &self.pending {
            if now < pending.sent + ACK_TIMEOUT {
                return UpdateDue::Nothing;
            }
            if pending.attempts >= MAX_ATTEMPTS {
                return UpdateDue::End;
            }
        }
        let (Some(desired), Some(agent)) = (&self.desired, &mut self.agent) else {
            return UpdateDue::Nothing;
        };
        // Without an answer, the set that the agent runs is unknown.
        if self.pending.is_none() && agent.is_up_to_date(desired) {
            return UpdateDue::Nothing;
        }
        let behind = desired.version.behind(&agent.version);
        if !behind.is_empty() && !agent.relist.is_done() {
            return if agent.relist.request() { UpdateDue::List(behind) } else { UpdateDue::Nothing };
        }
        UpdateDue::Send(self.send(now, !behind.is_empty()))
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        // Everything else waits for a call.
        self.pending.as_ref().map(|pending| pending.sent + ACK_TIMEOUT)
    }

    fn send(&mut self, now: Tick, listed: bool) -> Update<B> {
        let (desired, agent) = (self.desired.clone(), self.agent.as_ref());
        let (desired, agent) = desired.zip(agent).expect("both were checked before");
        let attempts = self.pending.as_ref().map_or(0, |pending| pending.attempts) + 1;
        self.nonce += 1;
        let Delta { changed, removed } = agent.delta_to(&desired.content);
        let (version, base) = (desired.version.clone(), agent.held.digest());
        self.pending = Some(PendingUpdate { nonce: self.nonce, sent: now, attempts, desired });
        Update { nonce: self.nonce, version, base, changed, removed, listed }
    }
}

impl<B: Clone> AgentConfig<B> {
    fn runs(&self, desired: &Desired<B>) -> bool {
        self.confirmed && self.held.digest() == desired.content.digest()
    }

    /// Whether it has applied the set, but for pools that it would refuse again.
    fn is_partial(&self, desired: &Desired<B>) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.digest == desired.content.digest())
    }

    /// Whether there is nothing to send.
    fn is_up_to_date(&self, desired: &Desired<B>) -> bool {
        self.runs(desired)
            || self.is_partial(desired)
            || self.nacked.as_ref().is_some_and(|nacked| nacked.still_applies(desired, self))
    }

    fn delta_to(&self, content: &ResourceSet<B>) -> Delta<B> {
        match &self.held {
            AgentHas::Reported(inventory, _) => content.missing_from(inventory),
            AgentHas::Acked(held) => content.delta_from(held),
        }
    }
}

/// One for each pool of the set: others would only be kept.
fn of_its_pools<B>(refused: Vec<PoolRefusal>, content: &ResourceSet<B>) -> Vec<PoolRefusal> {
    if refused.is_empty() {
        return refused;
    }
    let mut pools = content.pools();
    refused.into_iter().filter(|refused| pools.remove(&*refused.pool)).collect()
}

impl NackedUpdate {
    /// Whether the agent would refuse the desired set again.
    fn still_applies<B>(&self, desired: &Desired<B>, agent: &AgentConfig<B>) -> bool {
        let same = self.digest == desired.content.digest();
        if self.older { desired.version.is_older_than(&agent.version) } else { same }
    }
}
