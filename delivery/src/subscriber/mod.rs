//! The agent's half of the protocol, over all its streams.
//!
//! From what happens to the stream, the controller's messages and the time, it derives what to do next
//! ([`Subscriber::poll`]). What is in effect changes only with [`Subscriber::applied`]: if a configuration cannot be
//! applied, the last good one stays; if single pools cannot, these stay, and the others are in effect. What it holds is what
//! is in effect, so a refused pool is sent again with the next change, and to the next version of the agent.
//!
//! A configuration that is older in any kind than the one in effect is refused, with one exception, which is reported:
//! if for [`ROLLBACK_AFTER`] controllers with a fresh list have offered nothing newer, then the storage was restored from
//! a backup.

mod connection;
mod rollback_guard;

use std::collections::VecDeque;
use std::sync::Arc;

use self::connection::StreamConnection;
use self::rollback_guard::{RollbackDecision, RollbackGuard};
use crate::message::{AgentSubscription, FromAgent, FromController, Move, Nack, PoolRefusal, Update};
use crate::resource_set::{Delta, ResourceSet};
use crate::version::Version;
use clock::Tick;

pub use self::connection::{FIRST_RETRY_DELAY, MAX_RETRY_DELAY, SUBSCRIBE_TIMEOUT};
pub use self::rollback_guard::{RESUBSCRIBE_INTERVAL, ROLLBACK_AFTER};

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberTask<B> {
    /// Read the token and the CA bundle, connect, and call [`connected`](Subscriber::connected) or
    /// [`disconnected`](Subscriber::disconnected).
    Connect,
    Send(FromAgent),
    /// Apply these resources, and call [`applied`](Subscriber::applied).
    Apply(Arc<ResourceSet<B>>),
    /// The held set or its version has changed: write it to disk.
    Persist,
    /// Move a VM, and send the result.
    Move(Move),
    /// Read the token and send it.
    Authenticate,
    /// Report prominently that an older configuration is in effect.
    ConfigRolledBack {
        from: Version,
        to: Version,
    },
    /// Close the stream. [`disconnected`](Subscriber::disconnected) need not be called.
    Disconnect,
}

/// The state of the agent's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionPhase {
    /// There is no stream.
    Disconnected,
    /// There is a stream, on which nothing is confirmed yet.
    Subscribing,
    /// The held set is the newest that a controller has offered, as far as is known.
    Synced,
    /// Only older versions are offered.
    OnlyOlder,
}

/// An update that is being applied.
#[derive(Debug)]
struct PendingApply<B> {
    /// `None` once the stream of the update has ended.
    nonce: Option<u64>,
    content: Arc<ResourceSet<B>>,
    version: Version,
    is_rollback: bool,
}

/// The agent's half. `B` is the encoded body of a resource.
#[derive(Debug)]
pub struct Subscriber<B> {
    agent: AgentSubscription,
    held: Arc<ResourceSet<B>>,
    version: Version,
    connection: StreamConnection,
    rollback_guard: RollbackGuard,
    applying: Option<PendingApply<B>>,
    last_answer: Option<(u64, FromAgent)>,
    confirmed: bool,
    tasks: VecDeque<SubscriberTask<B>>,
}

impl<B: Clone> Subscriber<B> {
    /// The subscriber of an agent that holds the set that it persisted. It connects at once. `seed` makes its
    /// delays differ from those of other agents.
    pub fn new(
        now: Tick,
        agent: AgentSubscription,
        held: Arc<ResourceSet<B>>,
        version: Version,
        seed: u64,
    ) -> Self {
        Self {
            agent,
            held,
            version,
            connection: StreamConnection::new(now, seed),
            rollback_guard: RollbackGuard::default(),
            applying: None,
            last_answer: None,
            confirmed: false,
            tasks: VecDeque::new(),
        }
    }

    /// The set in effect.
    pub fn held(&self) -> &Arc<ResourceSet<B>> {
        &self.held
    }

    /// The version of the set in effect.
    pub fn version(&self) -> &Version {
        &self.version
    }

    pub fn phase(&self) -> SubscriptionPhase {
        match (self.connection.is_up(), self.rollback_guard.is_waiting(), self.confirmed) {
            (false, ..) => SubscriptionPhase::Disconnected,
            (true, true, _) => SubscriptionPhase::OnlyOlder,
            (true, false, false) => SubscriptionPhase::Subscribing,
            (true, false, true) => SubscriptionPhase::Synced,
        }
    }

    /// The stream is open.
    pub fn connected(&mut self, now: Tick) {
        self.connection.connected(now);
        self.subscribe(now);
    }

    /// The stream has ended or could not be opened.
    pub fn disconnected(&mut self, now: Tick) {
        self.connection.disconnected(now);
        self.reset_stream();
    }

    /// Handles a message from the controller.
    pub fn handle(&mut self, now: Tick, message: FromController<B>) {
        if !self.connection.is_up() {
            return;
        }
        match message {
            FromController::Update(update) => self.update(now, update),
            FromController::Move(order) => self.tasks.push_back(SubscriberTask::Move(order)),
            FromController::Authenticate => self.tasks.push_back(SubscriberTask::Authenticate),
            FromController::Goodbye { spread } => {
                self.connection.leave(now, spread);
                self.disconnect();
            }
        }
    }

    /// Reports the result of a [`SubscriberTask::Apply`]: the pools that could not be applied and stay as they are in the
    /// held set, or why nothing was applied.
    pub fn applied(&mut self, result: Result<Vec<PoolRefusal>, Nack>) {
        let Some(PendingApply { nonce, content, version, is_rollback }) = self.applying.take() else {
            return;
        };
        match result {
            Ok(refused) if refused.is_empty() => {
                self.take_effect(nonce, content, version, is_rollback, refused);
            }
            Ok(refused) => {
                let is_refused = |pool: &str| refused.iter().any(|refused| refused.pool == pool);
                let content = Arc::new(content.with_pools_of(&self.held, is_refused));
                self.take_effect(nonce, content, version, is_rollback, refused);
            }
            Err(refusal) => self.answer(nonce, |nonce| FromAgent::Nack { nonce, refusal }),
        }
    }

    fn take_effect(
        &mut self,
        nonce: Option<u64>,
        content: Arc<ResourceSet<B>>,
        version: Version,
        is_rollback: bool,
        refused: Vec<PoolRefusal>,
    ) {
        self.held = content;
        self.commit(version, is_rollback);
        self.answer(nonce, |nonce| FromAgent::Ack { nonce, refused });
    }

    /// The next task; `None` until another method is called or [`wake_at`](Self::wake_at) is reached.
    pub fn poll(&mut self, now: Tick) -> Option<SubscriberTask<B>> {
        if self.tasks.is_empty() {
            self.due(now);
        }
        self.tasks.pop_front()
    }

    /// When to poll again if nothing happens before.
    pub fn wake_at(&self) -> Option<Tick> {
        [self.connection.wake_at(), self.rollback_guard.wake_at().filter(|_| self.connection.is_up())]
            .into_iter()
            .flatten()
            .min()
    }

    fn due(&mut self, now: Tick) {
        match self.connection.due(now) {
            connection::ConnectionDue::Nothing => {}
            connection::ConnectionDue::Connect => return self.tasks.push_back(SubscriberTask::Connect),
            connection::ConnectionDue::GiveUp => return self.disconnect(),
        }
        if self.connection.is_up() && self.rollback_guard.should_resubscribe(now) {
            self.subscribe(now);
        }
    }

    fn subscribe(&mut self, now: Tick) {
        self.reset_answers();
        self.connection.subscribed(now);
        let (version, held) = (self.version.clone(), self.held.inventory());
        let subscription = AgentSubscription { version, held, ..self.agent.clone() };
        self.tasks.push_back(SubscriberTask::Send(FromAgent::Subscribe(subscription)));
    }

    fn update(&mut self, now: Tick, update: Update<B>) {
        if self.applying.is_some() {
            // One at a time; an unanswered update is sent again.
            return;
        }
        if !self.connection.is_newest(update.nonce) {
            return self.resend_answer(update.nonce);
        }
        // A subscription crossed an older update, or something was lost: the difference must be determined again.
        if update.base != self.held.digest() {
            return self.subscribe(now);
        }
        self.connection.update_received(update.nonce);
        self.confirmed = true;
        let older = update.version.is_older_than(&self.version);
        match self.rollback_guard.decide(now, older, update.listed) {
            RollbackDecision::Apply => self.apply(update, false),
            RollbackDecision::RollBack => self.apply(update, true),
            RollbackDecision::Wait => self.nack_older(&update),
            RollbackDecision::Disconnect => {
                self.nack_older(&update);
                self.connection.disconnected(now);
                self.disconnect();
            }
        }
    }

    fn apply(&mut self, update: Update<B>, is_rollback: bool) {
        let Update { nonce, version, changed, removed, .. } = update;
        let delta = Delta { changed, removed };
        if delta.is_empty() {
            self.commit(version, is_rollback);
            return self.answer(Some(nonce), |nonce| FromAgent::Ack { nonce, refused: Vec::new() });
        }
        let content = Arc::new(self.held.apply(delta));
        self.applying =
            Some(PendingApply { nonce: Some(nonce), content: Arc::clone(&content), version, is_rollback });
        self.tasks.push_back(SubscriberTask::Apply(content));
    }

    fn commit(&mut self, version: Version, is_rollback: bool) {
        let from = std::mem::replace(&mut self.version, version);
        self.rollback_guard.reset();
        if is_rollback {
            self.tasks.push_back(SubscriberTask::ConfigRolledBack { from, to: self.version.clone() });
        }
        self.tasks.push_back(SubscriberTask::Persist);
    }

    fn nack_older(&mut self, update: &Update<B>) {
        let message = "the agent runs a configuration of a newer version";
        let refusal = Nack::new(Nack::OLDER_REASON, message);
        self.answer(Some(update.nonce), |nonce| FromAgent::Nack { nonce, refusal });
    }

    fn answer(&mut self, nonce: Option<u64>, answer: impl FnOnce(u64) -> FromAgent) {
        // The stream has ended, and the next subscription says what is in effect.
        let Some(nonce) = nonce else { return };
        let answer = answer(nonce);
        self.last_answer = Some((nonce, answer.clone()));
        self.tasks.push_back(SubscriberTask::Send(answer));
    }

    /// Sends an answer again that may have been lost.
    fn resend_answer(&mut self, nonce: u64) {
        if let Some((_, answer)) = self.last_answer.as_ref().filter(|(answered, _)| *answered == nonce) {
            self.tasks.push_back(SubscriberTask::Send(answer.clone()));
        }
    }

    fn disconnect(&mut self) {
        self.reset_stream();
        self.tasks.push_back(SubscriberTask::Disconnect);
    }

    fn reset_stream(&mut self) {
        self.reset_answers();
        // Messages cannot be sent anymore; local tasks stay.
        let is_local = |task: &SubscriberTask<B>| {
            matches!(
                task,
                SubscriberTask::Apply(_) | SubscriberTask::Persist | SubscriberTask::ConfigRolledBack { .. }
            )
        };
        self.tasks.retain(is_local);
    }

    fn reset_answers(&mut self) {
        self.last_answer = None;
        self.confirmed = false;
        if let Some(applying) = &mut self.applying {
            applying.nonce = None;
        }
    }
}
