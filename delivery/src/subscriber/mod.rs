//! The agent's half of the conversation, over all its streams.
//!
//! It is told what happens to its stream and what it hears, and says what to do next ([`Subscriber::poll`]). What is
//! in force changes only when the caller says that it did ([`Subscriber::applied`]): a configuration that cannot be
//! applied leaves the last good one.
//!
//! Nothing goes backwards: what is older in any kind than what runs is refused. The one way back is loud: when
//! nothing else was on offer for [`BACK_AFTER`], from controllers that have just listed, the storage itself must have
//! gone back.

mod connection;
mod rollback_guard;

use std::collections::VecDeque;
use std::sync::Arc;

use self::connection::Connection;
use self::rollback_guard::{RollbackDecision, RollbackGuard};
use crate::message::{FromAgent, FromController, Move, Nack, Subscription, Update};
use crate::resource_set::{Delta, ResourceSet};
use crate::version::Version;
use clock::{Span, Tick};

/// A controller that does not answer a subscription for so long is given up.
pub const ANSWER_WITHIN: Span = Span::seconds(10);
/// So long nothing but older versions must have been on offer before one is taken.
pub const BACK_AFTER: Span = Span::seconds(60);
/// Meanwhile it is asked again so often.
pub const ASK_AGAIN: Span = Span::seconds(10);
/// The longest wait between two attempts to connect.
pub const RETRY_AT_MOST: Span = Span::millis(3_000);
/// The first wait after a stream broke is below this: all agents of a cluster lose theirs at once.
pub const FIRST_RETRY: Span = Span::millis(1_000);

/// What a subscriber wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberTask<B> {
    /// Connect, with a token and a CA bundle read anew, and say [`connected`](Subscriber::connected) or
    /// [`disconnected`](Subscriber::disconnected).
    Connect,
    /// Send this.
    Send(FromAgent),
    /// Put this in force, and say [`applied`](Subscriber::applied).
    Apply(Arc<ResourceSet<B>>),
    /// What is held, or what it was made from, is new: keep it.
    Keep,
    /// Move a VM, and send what became of it.
    Move(Move),
    /// Read the token anew and send it.
    Authenticate,
    /// Say it loudly: an older configuration is in force than before.
    ConfigRolledBack {
        /// What ran.
        from: Version,
        /// What runs.
        to: Version,
    },
    /// Hang up. [`disconnected`](Subscriber::disconnected) need not be said.
    Disconnect,
}

/// How the agent stands with its controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No stream.
    Disconnected,
    /// A stream, on which nothing was confirmed yet.
    Subscribing,
    /// What runs is what a controller says should, as far as is known.
    Synced,
    /// Only older versions are on offer.
    OnlyOlder,
}

/// An update that is being applied.
#[derive(Debug)]
struct PendingApply<B> {
    /// None, once the stream is gone on which it came.
    nonce: Option<u64>,
    content: Arc<ResourceSet<B>>,
    version: Version,
    back: bool,
}

/// The agent's half. `B` is the encoded body of a resource.
#[derive(Debug)]
pub struct Subscriber<B> {
    about: Subscription,
    held: Arc<ResourceSet<B>>,
    version: Version,
    link: Connection,
    older: RollbackGuard,
    trying: Option<PendingApply<B>>,
    answered: Option<(u64, FromAgent)>,
    confirmed: bool,
    tasks: VecDeque<SubscriberTask<B>>,
}

impl<B: Clone> Subscriber<B> {
    /// Of an agent that says this of itself and holds this from the time before; it connects at once. `seed` sets it
    /// apart from others: waits differ by it.
    pub fn new(
        now: Tick,
        about: Subscription,
        held: Arc<ResourceSet<B>>,
        version: Version,
        seed: u64,
    ) -> Self {
        Self {
            about,
            held,
            version,
            link: Connection::new(now, seed),
            older: RollbackGuard::default(),
            trying: None,
            answered: None,
            confirmed: false,
            tasks: VecDeque::new(),
        }
    }

    /// What is in force.
    pub fn held(&self) -> &Arc<ResourceSet<B>> {
        &self.held
    }

    /// What that was made from.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// How it stands.
    pub fn phase(&self) -> Phase {
        match (self.link.is_up(), self.older.is_waiting(), self.confirmed) {
            (false, ..) => Phase::Disconnected,
            (true, true, _) => Phase::OnlyOlder,
            (true, false, false) => Phase::Subscribing,
            (true, false, true) => Phase::Synced,
        }
    }

    /// The stream is open.
    pub fn connected(&mut self, now: Tick) {
        self.link.connected(now);
        self.subscribe(now);
    }

    /// The stream broke, or could not be opened.
    pub fn disconnected(&mut self, now: Tick) {
        self.link.lost(now);
        self.forget_stream();
    }

    /// The controller said this.
    pub fn handle(&mut self, now: Tick, message: FromController<B>) {
        if !self.link.is_up() {
            return;
        }
        match message {
            FromController::Update(update) => self.update(now, update),
            FromController::Move(order) => self.tasks.push_back(SubscriberTask::Move(order)),
            FromController::Authenticate => self.tasks.push_back(SubscriberTask::Authenticate),
            FromController::Goodbye { spread } => {
                self.link.leave(now, spread);
                self.hang_up();
            }
        }
    }

    /// What came of a [`Task::Apply`].
    pub fn applied(&mut self, result: Result<(), Nack>) {
        let Some(PendingApply { nonce, content, version, back }) = self.trying.take() else { return };
        match result {
            Ok(()) => {
                self.held = content;
                self.take(version, back);
                self.answer(nonce, |nonce| FromAgent::Ack { nonce });
            }
            Err(refusal) => self.answer(nonce, |nonce| FromAgent::Nack { nonce, refusal }),
        }
    }

    /// What to do next; nothing until something happens, or it is [`wake_at`](Self::wake_at).
    pub fn poll(&mut self, now: Tick) -> Option<SubscriberTask<B>> {
        if self.tasks.is_empty() {
            self.due(now);
        }
        self.tasks.pop_front()
    }

    /// When to poll again, should nothing happen before.
    pub fn wake_at(&self) -> Option<Tick> {
        [self.link.wake_at(), self.older.wake_at().filter(|_| self.link.is_up())].into_iter().flatten().min()
    }

    fn due(&mut self, now: Tick) {
        match self.link.due(now) {
            connection::ConnectionDue::Nothing => {}
            connection::ConnectionDue::Connect => return self.tasks.push_back(SubscriberTask::Connect),
            connection::ConnectionDue::GiveUp => return self.hang_up(),
        }
        if self.link.is_up() && self.older.ask_again(now) {
            self.subscribe(now);
        }
    }

    fn subscribe(&mut self, now: Tick) {
        self.forget_answers();
        self.link.asked(now);
        let (version, held) = (self.version.clone(), self.held.inventory());
        let subscription = Subscription { version, held, ..self.about.clone() };
        self.tasks.push_back(SubscriberTask::Send(FromAgent::Subscribe(subscription)));
    }

    fn update(&mut self, now: Tick, update: Update<B>) {
        if self.trying.is_some() {
            // One at a time; what is not answered comes again.
            return;
        }
        if !self.link.is_news(update.nonce) {
            return self.repeat(update.nonce);
        }
        // A subscription crossed an older update, or something was lost: what differs must be found out anew.
        if update.base != self.held.digest() {
            return self.subscribe(now);
        }
        self.link.heard(update.nonce);
        self.confirmed = true;
        let older = update.version.is_older_than(&self.version);
        match self.older.judge(now, older, update.listed) {
            RollbackDecision::Take => self.attempt(update, false),
            RollbackDecision::TakeBack => self.attempt(update, true),
            RollbackDecision::Wait => self.refuse(&update),
            RollbackDecision::Leave => {
                self.refuse(&update);
                self.link.lost(now);
                self.hang_up();
            }
        }
    }

    fn attempt(&mut self, update: Update<B>, back: bool) {
        let Update { nonce, version, changed, removed, .. } = update;
        let delta = Delta { changed, removed };
        if delta.is_empty() {
            self.take(version, back);
            return self.answer(Some(nonce), |nonce| FromAgent::Ack { nonce });
        }
        let content = Arc::new(self.held.with(delta));
        self.trying = Some(PendingApply { nonce: Some(nonce), content: Arc::clone(&content), version, back });
        self.tasks.push_back(SubscriberTask::Apply(content));
    }

    fn take(&mut self, version: Version, back: bool) {
        let from = std::mem::replace(&mut self.version, version);
        self.older.settle();
        if back {
            self.tasks.push_back(SubscriberTask::ConfigRolledBack { from, to: self.version.clone() });
        }
        self.tasks.push_back(SubscriberTask::Keep);
    }

    fn refuse(&mut self, update: &Update<B>) {
        let message = "the agent runs a configuration that was made from newer objects";
        let refusal = Nack::new(Nack::OLDER, message);
        self.answer(Some(update.nonce), |nonce| FromAgent::Nack { nonce, refusal });
    }

    fn answer(&mut self, nonce: Option<u64>, answer: impl FnOnce(u64) -> FromAgent) {
        // Whoever gave it is gone, and learns from the next subscription what is in force.
        let Some(nonce) = nonce else { return };
        let answer = answer(nonce);
        self.answered = Some((nonce, answer.clone()));
        self.tasks.push_back(SubscriberTask::Send(answer));
    }

    /// An answer may have been lost.
    fn repeat(&mut self, nonce: u64) {
        if let Some((_, answer)) = self.answered.as_ref().filter(|(answered, _)| *answered == nonce) {
            self.tasks.push_back(SubscriberTask::Send(answer.clone()));
        }
    }

    fn hang_up(&mut self) {
        self.forget_stream();
        self.tasks.push_back(SubscriberTask::Disconnect);
    }

    fn forget_stream(&mut self) {
        self.forget_answers();
        // What was to be sent has nowhere to go; what is to be done at home stays.
        let at_home = |task: &SubscriberTask<B>| {
            matches!(
                task,
                SubscriberTask::Apply(_) | SubscriberTask::Keep | SubscriberTask::ConfigRolledBack { .. }
            )
        };
        self.tasks.retain(at_home);
    }

    fn forget_answers(&mut self) {
        self.answered = None;
        self.confirmed = false;
        if let Some(trying) = &mut self.trying {
            trying.nonce = None;
        }
    }
}
