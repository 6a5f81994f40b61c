//! What an agent is sent, and when.

use std::sync::Arc;

use super::listing::Listing;
use super::{ANSWER_WITHIN, Standing, TRIES};
use crate::content::{self, Content, Delta, Hash, Inventory};
use crate::message::{Refusal, Subscription, Update};
use crate::tick::Tick;
use crate::version::{Kind, Version};

/// What the node should run.
#[derive(Clone, Debug)]
pub(super) struct Wish<B> {
    pub(super) version: Version,
    pub(super) content: Arc<Content<B>>,
}

/// What the agent holds. Once it has acked a content it is known by that, which all agents share.
#[derive(Debug)]
enum Held<B> {
    Said(Inventory, Hash),
    Acked(Arc<Content<B>>),
}

/// An update without an answer yet.
#[derive(Debug)]
struct Pending<B> {
    nonce: u64,
    sent: Tick,
    tries: u32,
    wish: Wish<B>,
}

/// A content the agent does not want.
#[derive(Debug)]
struct Refused {
    digest: Hash,
    /// It is fine, but older than what the agent runs.
    older: bool,
    refusal: Refusal,
}

#[derive(Debug)]
struct Agent<B> {
    said: Subscription,
    held: Held<B>,
    version: Version,
    /// It knows that what it holds is what it should.
    confirmed: bool,
    refused: Option<Refused>,
    listing: Listing,
}

#[derive(Debug)]
pub(super) struct Offering<B> {
    wish: Option<Wish<B>>,
    agent: Option<Agent<B>>,
    pending: Option<Pending<B>>,
    nonce: u64,
}

pub(super) enum Due<B> {
    Nothing,
    Send(Update<B>),
    List(Vec<Kind>),
    End,
}

impl<B> Default for Offering<B> {
    fn default() -> Self {
        Self { wish: None, agent: None, pending: None, nonce: 0 }
    }
}

impl<B> Held<B> {
    fn digest(&self) -> Hash {
        match self {
            Self::Said(_, digest) => *digest,
            Self::Acked(content) => content.digest(),
        }
    }
}

impl<B: Clone> Offering<B> {
    pub(super) fn agent(&self) -> Option<&Subscription> {
        self.agent.as_ref().map(|agent| &agent.said)
    }

    pub(super) fn publish(&mut self, wish: Wish<B>) {
        self.wish = Some(wish);
    }

    pub(super) fn listed(&mut self) {
        if let Some(agent) = &mut self.agent {
            agent.listing.done();
        }
    }

    pub(super) fn subscribe(&mut self, mut said: Subscription) {
        let held = std::mem::take(&mut said.held);
        let digest = content::digest(&held);
        self.pending = None;
        self.agent = Some(Agent {
            version: std::mem::take(&mut said.version),
            said,
            held: Held::Said(held, digest),
            confirmed: false,
            refused: None,
            listing: Listing::default(),
        });
    }

    pub(super) fn ack(&mut self, nonce: u64) {
        if let (Some(pending), Some(agent)) = (self.pending.take_if(|it| it.nonce == nonce), &mut self.agent)
        {
            agent.held = Held::Acked(pending.wish.content);
            agent.version = pending.wish.version;
            agent.confirmed = true;
            agent.refused = None;
        }
    }

    pub(super) fn nack(&mut self, nonce: u64, refusal: Refusal) {
        if let (Some(pending), Some(agent)) = (self.pending.take_if(|it| it.nonce == nonce), &mut self.agent)
        {
            let older = refusal.reason == Refusal::OLDER;
            agent.refused = Some(Refused { digest: pending.wish.content.digest(), older, refusal });
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let (Some(wish), Some(agent)) = (&self.wish, &self.agent) else { return Standing::Unknown };
        match &agent.refused {
            Some(refused) if refused.holds(wish, agent) => Standing::Refused(refused.refusal.clone()),
            _ if agent.runs(wish) && self.pending.is_none() => Standing::Programmed,
            _ => Standing::Behind,
        }
    }

    pub(super) fn due(&mut self, now: Tick) -> Due<B> {
        if let Some(pending) = &self.pending {
            if now < pending.sent.plus(ANSWER_WITHIN) {
                return Due::Nothing;
            }
            if pending.tries >= TRIES {
                return Due::End;
            }
        }
        let (Some(wish), Some(agent)) = (&self.wish, &mut self.agent) else { return Due::Nothing };
        // While an answer is missing nobody knows what the agent runs, whatever is wished for by now.
        if self.pending.is_none() && agent.settled(wish) {
            return Due::Nothing;
        }
        let behind = wish.version.behind(&agent.version);
        if !behind.is_empty() && !agent.listing.is_done() {
            return if agent.listing.ask() { Due::List(behind) } else { Due::Nothing };
        }
        Due::Send(self.send(now, !behind.is_empty()))
    }

    pub(super) fn wake_at(&self) -> Option<Tick> {
        // All else waits for somebody to say something.
        self.pending.as_ref().map(|pending| pending.sent.plus(ANSWER_WITHIN))
    }

    fn send(&mut self, now: Tick, listed: bool) -> Update<B> {
        let (wish, agent) = (self.wish.clone(), self.agent.as_ref());
        let (wish, agent) = wish.zip(agent).expect("both were looked at before");
        let tries = self.pending.as_ref().map_or(0, |pending| pending.tries) + 1;
        self.nonce += 1;
        let Delta { changed, removed } = agent.lacks(&wish.content);
        let (version, base) = (wish.version.clone(), agent.held.digest());
        self.pending = Some(Pending { nonce: self.nonce, sent: now, tries, wish });
        Update { nonce: self.nonce, version, base, changed, removed, listed }
    }
}

impl<B: Clone> Agent<B> {
    fn runs(&self, wish: &Wish<B>) -> bool {
        self.confirmed && self.held.digest() == wish.content.digest()
    }

    /// Whether there is nothing to tell it.
    fn settled(&self, wish: &Wish<B>) -> bool {
        self.runs(wish) || self.refused.as_ref().is_some_and(|refused| refused.holds(wish, self))
    }

    fn lacks(&self, content: &Content<B>) -> Delta<B> {
        match &self.held {
            Held::Said(inventory, _) => content.lacking(inventory),
            Held::Acked(held) => content.since(held),
        }
    }
}

impl Refused {
    /// Whether it would be refused again.
    fn holds<B>(&self, wish: &Wish<B>, agent: &Agent<B>) -> bool {
        let same = self.digest == wish.content.digest();
        if self.older { wish.version.is_older_than(&agent.version) } else { same }
    }
}
