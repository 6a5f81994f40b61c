//! A storage that is edited, replicas that watch it, a network, and one agent.

use std::sync::Arc;

use entropool_delivery::publisher::{PublisherTask as Do, StreamEnd};
use entropool_delivery::subscriber::{SubscriberTask, SubscriptionPhase};
use entropool_delivery::{
    AgentSubscription, EncodedResource, FromAgent, FromController, Hash, Nack, PoolRefusal, Publisher,
    ResourceName, ResourceSet, Span, Subscriber, Tick, Version, WatchedKind, pool_of,
};

pub(crate) const STEP: Span = Span::millis(10);
pub(crate) const NODE: &str = "node-1";

/// A body. This one cannot be applied.
pub(crate) const BAD: u32 = 666;
/// A body that only its pool cannot be applied with.
pub(crate) const BAD_POOL: u32 = 667;

pub(crate) type Body = u32;

/// What was true at one time.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) version: Version,
    pub(crate) content: Arc<ResourceSet<Body>>,
}

/// Resources by name, each with its body.
pub(crate) fn content(items: &[(&str, Body)]) -> Arc<ResourceSet<Body>> {
    let item = |&(name, body): &(&str, Body)| {
        let mix =
            |sum: u128, byte: u8| (sum ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        let hash = name.bytes().chain(body.to_le_bytes()).fold(0x6c62_272e_07bb_0142, mix);
        (ResourceName::from(name), EncodedResource { hash: Hash(hash.to_le_bytes()), body })
    };
    Arc::new(items.iter().map(item).collect())
}

pub(crate) fn version(pools: u64, classes: u64) -> Version {
    [(WatchedKind::POOLS, pools), (WatchedKind::CLASSES, classes)].into_iter().collect()
}

/// The states of an object store, oldest first.
pub(crate) fn history(length: u64) -> Vec<State> {
    let state = |at: u64| {
        let body = u32::try_from(at).unwrap();
        let (even, odd) = (body / 2, body.div_ceil(2));
        let mut items = vec![("pool/p", 1), ("class/p/even", even), ("class/p/odd", odd)];
        // One comes and goes.
        if at % 3 == 1 {
            items.push(("class/p/third", 7));
        }
        State { version: version(10 + at / 2, 10 + at.div_ceil(2)), content: content(&items) }
    };
    (0..length).map(state).collect()
}

/// The same beside a pool of which the agent refuses two states in five.
pub(crate) fn history_with_refusals(length: u64) -> Vec<State> {
    let with_pool = |(at, state): (usize, State)| {
        let body = if matches!(at % 5, 1 | 2) { BAD_POOL } else { u32::try_from(at).unwrap() };
        let beside = content(&[("pool/odd", 1), ("class/odd/c", body)]);
        let both = state.content.items().chain(beside.items());
        let both = both.map(|(name, item)| (Arc::clone(name), item.clone())).collect();
        State { content: Arc::new(both), ..state }
    };
    history(length).into_iter().enumerate().map(with_pool).collect()
}

/// Numbers that are the same each time.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a network does to one message in a hundred, each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    /// By up to so many milliseconds: later ones overtake.
    pub(crate) late: u64,
    /// Of ten thousand steps, in so many the stream breaks.
    pub(crate) broken: u64,
}

#[derive(Debug)]
pub(crate) struct Replica {
    /// What it has seen: an index into the storage.
    pub(crate) view: usize,
    /// Its watch and its lists are stuck.
    pub(crate) frozen: bool,
    publisher: Option<Publisher<Body>>,
    lists_at: Option<Tick>,
    pub(crate) lists: usize,
}

#[derive(Clone, Debug)]
enum Message {
    ToAgent(FromController<Body>),
    ToReplica(FromAgent),
}

#[derive(Debug)]
struct InFlight {
    at: Tick,
    stream: u64,
    message: Message,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Tick,
    pub(crate) storage: Vec<State>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) agent: Subscriber<Body>,
    pub(crate) faults: Faults,
    pub(crate) cut: bool,
    /// The replicas are of the version before, which does not know that single pools can be refused.
    pub(crate) knows_no_pools: bool,
    /// The replica that the next connection leads to; any, if none.
    pub(crate) route: Option<usize>,
    pub(crate) dice: Dice,
    pub(crate) applied: Vec<Arc<ResourceSet<Body>>>,
    pub(crate) kept: State,
    pub(crate) rolled_back: usize,
    pub(crate) updates: Vec<(usize, bool)>,
    pub(crate) ends: Vec<StreamEnd>,
    stream: Option<(u64, usize)>,
    streams: u64,
    flying: Vec<InFlight>,
}

impl World {
    pub(crate) fn new(storage: Vec<State>, replicas: usize, seed: u64) -> Self {
        let nothing = State { version: Version::default(), content: Arc::default() };
        let replica = || Replica { view: 0, frozen: false, publisher: None, lists_at: None, lists: 0 };
        Self {
            now: Tick(0),
            storage,
            replicas: (0..replicas).map(|_| replica()).collect(),
            agent: agent(Tick(0), &nothing, seed),
            faults: Faults::default(),
            cut: false,
            knows_no_pools: false,
            route: None,
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            applied: Vec::new(),
            kept: nothing,
            rolled_back: 0,
            updates: Vec::new(),
            ends: Vec::new(),
            stream: None,
            streams: 0,
            flying: Vec::new(),
        }
    }

    /// The agent dies and starts from what it kept.
    pub(crate) fn restart_agent(&mut self) {
        self.stream = None;
        let seed = self.dice.below(u64::MAX);
        self.agent = agent(self.now, &self.kept, seed);
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, span: Span) {
        for _ in 0..span.0 / STEP.0 {
            self.step();
        }
    }

    /// Lets time pass until it is so, for at most `span`; says how long that took.
    pub(crate) fn until(&mut self, span: Span, so: impl Fn(&Self) -> bool) -> Span {
        let from = self.now;
        while !so(self) {
            assert!(self.now - from < span, "not so within {span:?}: {}", self.summary());
            self.step();
        }
        self.now - from
    }

    /// How everybody stands, for the one who has to find out why.
    fn summary(&self) -> String {
        let publishers = self.replicas.iter().map(|replica| {
            let publisher = replica.publisher.as_ref();
            let standing = publisher.map(|it| (it.ack_state(), it.wake_at()));
            format!("view {} of {}, {standing:?}", replica.view, self.storage.len())
        });
        format!(
            "{:?}: agent {:?}, {:?}, next {:?}; {:?}; stream {:?}; {} in flight; {:?}",
            self.now,
            self.agent.phase(),
            self.agent.version(),
            self.agent.wake_at(),
            publishers.collect::<Vec<_>>(),
            self.stream,
            self.flying.len(),
            self.updates,
        )
    }

    /// The agent runs the newest state, and knows it.
    pub(crate) fn in_step(&self) -> bool {
        let newest = self.storage.last().unwrap();
        self.agent.phase() == SubscriptionPhase::Synced
            && self.agent.held().digest() == newest.content.digest()
    }

    /// Every replica that is not frozen sees everything.
    pub(crate) fn watch(&mut self) {
        let newest = self.storage.len() - 1;
        for replica in self.replicas.iter_mut().filter(|replica| !replica.frozen) {
            replica.view = newest;
        }
    }

    pub(crate) fn step(&mut self) {
        self.now = self.now + STEP;
        if self.dice.below(10_000) < self.faults.broken {
            self.break_stream();
        }
        self.deliver();
        (0..self.replicas.len()).for_each(|at| self.serve(at));
        self.drive();
    }

    pub(crate) fn break_stream(&mut self) {
        if self.stream.take().is_some() {
            self.agent.disconnected(self.now);
        }
    }

    fn deliver(&mut self) {
        let due = |message: &InFlight| message.at <= self.now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flying).into_iter().partition(due);
        self.flying = later;
        for InFlight { stream, message, .. } in due {
            let Some((current, replica)) = self.stream else { continue };
            if current != stream || self.cut {
                continue;
            }
            match message {
                Message::ToAgent(message) => self.agent.handle(self.now, message),
                Message::ToReplica(mut message) => {
                    if let FromAgent::Ack { refused, .. } = &mut message
                        && self.knows_no_pools
                    {
                        refused.clear();
                    }
                    if let Some(publisher) = &mut self.replicas[replica].publisher {
                        publisher.handle(self.now, message);
                    }
                }
            }
            self.drive();
        }
    }

    fn serve(&mut self, at: usize) {
        let (now, newest) = (self.now, self.storage.len() - 1);
        let connected = self.stream.filter(|(_, replica)| *replica == at);
        let replica = &mut self.replicas[at];
        let Some((stream, _)) = connected else {
            replica.publisher = None;
            return;
        };
        let listed = replica.lists_at.take_if(|done| *done <= now && !replica.frozen).is_some();
        if listed {
            replica.view = newest;
        }
        let State { version, content } = self.storage[replica.view.min(newest)].clone();
        let publisher = replica.publisher.as_mut().unwrap();
        publisher.publish(version, content);
        if listed {
            publisher.listed();
        }
        while let Some(task) = self.replicas[at].publisher.as_mut().and_then(|it| it.poll(now)) {
            self.act(at, stream, task);
        }
    }

    fn act(&mut self, at: usize, stream: u64, task: Do<Body>) {
        match task {
            Do::Send(message) => {
                if let FromController::Update(update) = &message {
                    self.updates.push((update.changed.len() + update.removed.len(), update.listed));
                }
                self.send(stream, &Message::ToAgent(message));
            }
            Do::Relist(kinds) => {
                assert!(!kinds.is_empty());
                let takes = Span::millis(50 + self.dice.below(400));
                self.replicas[at].lists += 1;
                self.replicas[at].lists_at = Some(self.now + takes);
            }
            Do::End(end) => {
                self.ends.push(end);
                self.replicas[at].publisher = None;
                self.break_stream();
            }
            Do::ReviewToken(_) | Do::Report(_) | Do::Moved { .. } => {}
        }
    }

    fn send(&mut self, stream: u64, message: &Message) {
        let copies = if self.dice.percent(self.faults.repeated) { 2 } else { 1 };
        for copy in 0..copies {
            let late = Span::millis(1 + self.dice.below(self.faults.late.max(1)));
            if self.dice.percent(self.faults.lost) || self.cut {
                continue;
            }
            let late = if copy == 0 { late } else { Span(late.0 * 3) };
            self.flying.push(InFlight { at: self.now + late, stream, message: message.clone() });
        }
    }

    fn drive(&mut self) {
        while let Some(task) = self.agent.poll(self.now) {
            match task {
                SubscriberTask::Connect => self.connect(),
                SubscriberTask::Send(message) => {
                    if let Some((stream, _)) = self.stream {
                        self.send(stream, &Message::ToReplica(message));
                    }
                }
                SubscriberTask::Apply(content) => self.apply(content),
                SubscriberTask::Persist => {
                    let (version, content) = (self.agent.version().clone(), Arc::clone(self.agent.held()));
                    self.kept = State { version, content };
                }
                SubscriberTask::ConfigRolledBack { from, to } => {
                    assert!(to.is_older_than(&from));
                    self.rolled_back += 1;
                }
                SubscriberTask::Disconnect => self.stream = None,
                SubscriberTask::Move(_) | SubscriberTask::Authenticate => {}
            }
        }
    }

    fn connect(&mut self) {
        let count = u64::try_from(self.replicas.len()).unwrap();
        let any = usize::try_from(self.dice.below(count)).unwrap();
        let at = self.route.unwrap_or(any);
        if self.cut {
            return self.agent.disconnected(self.now);
        }
        self.streams += 1;
        self.stream = Some((self.streams, at));
        self.replicas[at].publisher = Some(Publisher::new(self.now, NODE));
        self.replicas[at].lists_at = None;
        self.agent.connected(self.now);
    }

    /// Only what was once true may run, and nothing older than what ran.
    fn apply(&mut self, content: Arc<ResourceSet<Body>>) {
        let once = self.storage.iter().any(|state| state.content.digest() == content.digest());
        assert!(once, "a mixture: {content:?}");
        if content.items().any(|(_, item)| item.body == BAD) {
            return self.agent.applied(Err(Nack::new("Bad", "class p/odd is bad")));
        }
        let refused =
            content.items().filter(|(_, item)| item.body == BAD_POOL).map(|(name, _)| PoolRefusal {
                pool: pool_of(name).unwrap().to_owned(),
                refusal: Nack::new("Bad", format!("{name} is bad")),
            });
        let refused = refused.collect();
        self.applied.push(content);
        self.agent.applied(Ok(refused));
    }
}

fn agent(now: Tick, kept: &State, seed: u64) -> Subscriber<Body> {
    let about = AgentSubscription { node: NODE.to_owned(), ..AgentSubscription::default() };
    Subscriber::new(now, about, Arc::clone(&kept.content), kept.version.clone(), seed)
}
