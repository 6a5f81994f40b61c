//! What an agent is sent, and when.

use std::sync::Arc;

use super::relist::Relist;
use super::{ANSWER_WITHIN, AckState, TRIES};
use crate::message::{Nack, Subscription, Update};
use crate::resource_set::{self, Delta, Hash, Inventory, ResourceSet};
use crate::version::{Version, WatchedKind};
use clock::Tick;

/// What the node should run.
#[derive(Clone, Debug)]
pub(super) struct Desired<B> {
    pub(super) version: Version,
    pub(super) content: Arc<ResourceSet<B>>,
}

/// What the agent holds. Once it has acked a content it is known by that, which all agents share.
#[derive(Debug)]
enum AgentHas<B> {
    Said(Inventory, Hash),
    Acked(Arc<ResourceSet<B>>),
}

/// An update without an answer yet.
#[derive(Debug)]
struct PendingUpdate<B> {
    nonce: u64,
    sent: Tick,
    tries: u32,
    wish: Desired<B>,
}

/// A content the agent does not want.
#[derive(Debug)]
struct NackedUpdate {
    digest: Hash,
    /// It is fine, but older than what the agent runs.
    older: bool,
    refusal: Nack,
}

#[derive(Debug)]
struct AgentConfig<B> {
    said: Subscription,
    held: AgentHas<B>,
    version: Version,
    /// It knows that what it holds is what it should.
    confirmed: bool,
    refused: Option<NackedUpdate>,
    listing: Relist,
}

#[derive(Debug)]
pub(super) struct UpdateState<B> {
    wish: Option<Desired<B>>,
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
        Self { wish: None, agent: None, pending: None, nonce: 0 }
    }
}

impl<B> AgentHas<B> {
    fn digest(&self) -> Hash {
        match self {
            Self::Said(_, digest) => *digest,
            Self::Acked(content) => content.digest(),
        }
    }
}

impl<B: Clone> UpdateState<B> {
    pub(super) fn agent(&self) -> Option<&Subscription> {
        self.agent.as_ref().map(|agent| &agent.said)
    }

    pub(super) fn publish(&mut self, wish: Desired<B>) {
        self.wish = Some(wish);
    }

    pub(super) fn listed(&mut self) {
        if let Some(agent) = &mut self.agent {
            agent.listing.done();
        }
    }

    pub(super) fn subscribe(&mut self, mut said: Subscription) {
        let held = std::mem::take(&mut said.held);
        let digest = resource_set::digest(&held);
        self.pending = None;
        self.agent = Some(AgentConfig {
            version: std::mem::take(&mut said.version),
            said,
            held: AgentHas::Said(held, digest),
            confirmed: false,
            refused: None,
            listing: Relist::default(),
        });
    }

    pub(super) fn ack(&mut self, nonce: u64) {
        if let (Some(pending), Some(agent)) = (self.pending.take_if(|it| it.nonce == nonce), &mut self.agent)
        {
            agent.held = AgentHas::Acked(pending.wish.content);
            agent.version = pending.wish.version;
            agent.confirmed = true;
            agent.refused = None;
        }
    }

    pub(super) fn nack(&mut self, nonce: u64, refusal: Nack) {
        if let (Some(pending), Some(agent)) = (self.pending.take_if(|it| it.nonce == nonce), &mut self.agent)
        {
            let older = refusal.reason == Nack::OLDER;
            agent.refused = Some(NackedUpdate { digest: pending.wish.content.digest(), older, refusal });
        }
    }

    pub(super) fn standing(&self) -> AckState {
        let (Some(wish), Some(agent)) = (&self.wish, &self.agent) else { return AckState::Unknown };
        match &agent.refused {
            Some(refused) if refused.holds(wish, agent) => AckState::Refused(refused.refusal.clone()),
            _ if agent.runs(wish) && self.pending.is_none() => AckState::Programmed,
            _ => AckState::Behind,
        }
    }

    pub(super) fn due(&mut self, now: Tick) -> UpdateDue<B> {
        if let Some(pending) = &self.pending {
            if now < pending.sent + ANSWER_WITHIN {
                return UpdateDue::Nothing;
            }
            if pending.tries >= TRIES {
                return UpdateDue::End;
            }
        }
        let (Some(wish), Some(agent)) = (&self.wish, &mut self.agent) else { return UpdateDue::Nothing };
        // While an answer is missing nobody knows what the agent runs, whatever is wished for by now.
        if self.pending.is_none() && agent.settled(wish) {
            return UpdateDue::Nothing;
        }
        let behind = wish.version.behind(&agent.version);
        if !behind.is_empty() && !agent.listing.is_done() {
            return if agent.listing.ask() { UpdateDue::List(behind) } else { UpdateDue::Nothing };
        }
        UpdateDue::Send(self.send(now, !behind.is_empty()))
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        // All else waits for somebody to say something.
        self.pending.as_ref().map(|pending| pending.sent + ANSWER_WITHIN)
    }

    fn send(&mut self, now: Tick, listed: bool) -> Update<B> {
        let (wish, agent) = (self.wish.clone(), self.agent.as_ref());
        let (wish, agent) = wish.zip(agent).expect("both were looked at before");
        let tries = self.pending.as_ref().map_or(0, |pending| pending.tries) + 1;
        self.nonce += 1;
        let Delta { changed, removed } = agent.lacks(&wish.content);
        let (version, base) = (wish.version.clone(), agent.held.digest());
        self.pending = Some(PendingUpdate { nonce: self.nonce, sent: now, tries, wish });
        Update { nonce: self.nonce, version, base, changed, removed, listed }
    }
}

impl<B: Clone> AgentConfig<B> {
    fn runs(&self, wish: &Desired<B>) -> bool {
        self.confirmed && self.held.digest() == wish.content.digest()
    }

    /// Whether there is nothing to tell it.
    fn settled(&self, wish: &Desired<B>) -> bool {
        self.runs(wish) || self.refused.as_ref().is_some_and(|refused| refused.holds(wish, self))
    }

    fn lacks(&self, content: &ResourceSet<B>) -> Delta<B> {
        match &self.held {
            AgentHas::Said(inventory, _) => content.missing_from(inventory),
            AgentHas::Acked(held) => content.since(held),
        }
    }
}

impl NackedUpdate {
    /// Whether it would be refused again.
    fn holds<B>(&self, wish: &Desired<B>, agent: &AgentConfig<B>) -> bool {
        let same = self.digest == wish.content.digest();
        if self.older { wish.version.is_older_than(&agent.version) } else { same }
    }
}
