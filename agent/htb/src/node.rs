//! A node of the tree: its parameters, buckets and queues.

use alloc::boxed::Box;

use crate::bucket::Bucket;
use crate::fair::{FairQueue, Tag};
use crate::units::{MAX_GRANT, Rate, Tick};

/// The largest number for `prio`; 0 borrows first.
pub const MAX_PRIO: u8 = 7;

pub const DEFAULT_PRIO: u8 = 4;

pub const DEFAULT_WEIGHT: u16 = 100;

/// The parameters of a node, in the words of `tc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The assured rate. Zero if nothing is assured: the node only borrows.
    pub rate: Rate,
    /// The maximum rate. It is exceeded by at most `cburst` and one grant, whichever node lends.
    pub ceil: Rate,
    /// The size of the token bucket of `rate`, in bytes.
    pub burst: u64,
    /// The size of the token bucket of `ceil`, in bytes.
    pub cburst: u64,
    /// 0 to 7; lower numbers borrow first. Larger values count as 7.
    pub prio: u8,
    /// 1 to 10000: the share in borrowed bytes among siblings of the same prio. 0 counts as 1.
    pub weight: u16,
}

impl Params {
    pub(crate) fn clamped(self) -> Self {
        Self { prio: self.prio.min(MAX_PRIO), weight: self.weight.max(1), ..self }
    }
}

/// The quantum of `tc`, for status only: what a weight yields in a round in which weight 100 yields one maximal
/// request. Never 0.
pub fn quantum(weight: u16) -> u64 {
    (u64::from(weight).saturating_mul(MAX_GRANT) / 100).max(1)
}

/// The queue of its parent that a node is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueSlot {
    /// In none: there is no backlog below it, or its ceil is exhausted.
    Out,
    /// Its next bytes are assured to it or to a node below it.
    Assured,
    /// Its next bytes are borrowed, at this prio.
    Borrowing(u8),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) params: Params,
    pub(crate) parent: Option<usize>,
    pub(crate) children: usize,
    pub(crate) tokens: Bucket,
    pub(crate) ctokens: Bucket,
    pub(crate) queue_slot: QueueSlot,
    pub(crate) assured: Tag,
    pub(crate) borrowed: Tag,
    /// There is a backlog that its ceil does not let through.
    pub(crate) throttled: bool,
    pub(crate) kind: NodeKind,
    pub(crate) counters: NodeCounters,
}

/// The counters of a node since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeCounters {
    pub(crate) bytes: u64,
    pub(crate) grants: u64,
    pub(crate) borrowed: u64,
    pub(crate) lent: u64,
    pub(crate) overlimits: u64,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Inner(Box<Queues>),
    Leaf(Leaf),
}

/// The backlog of a leaf.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    pub(crate) backlog: u64,
    pub(crate) waiting_since: Option<Tick>,
}

impl Leaf {
    pub(crate) fn is_backlogged(&self) -> bool {
        self.backlog > 0
    }
}

/// The queues of the children of an inner node that can be served now.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// One for each prio of those that borrow, then the one for those with assured bytes.
    queues: [FairQueue; ASSURED + 1],
    /// A bit for each queue that is not empty.
    busy: u16,
}

/// The index of the queue of children with assured bytes.
const ASSURED: usize = MAX_PRIO as usize + 1;

impl QueueSlot {
    fn queue(self) -> Option<usize> {
        match self {
            Self::Out => None,
            Self::Borrowing(prio) => Some(usize::from(prio)),
            Self::Assured => Some(ASSURED),
        }
    }
}

impl Queues {
    /// The child with assured bytes to serve first.
    pub(crate) fn first_assured(&self) -> Option<usize> {
        if self.readiness().assured { self.queues[ASSURED].first() } else { None }
    }

    /// The child to serve first among those that borrow, of the lowest prio.
    pub(crate) fn first_borrower(&self) -> Option<usize> {
        self.queues.get(self.busy.trailing_zeros() as usize)?.first()
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness { assured: self.busy >> ASSURED != 0, ready: self.busy != 0 }
    }

    /// Changes the queue of a slot, if it has one.
    pub(crate) fn change(&mut self, queue_slot: QueueSlot, change: impl FnOnce(&mut FairQueue)) {
        let Some(at) = queue_slot.queue() else { return };
        let queue = &mut self.queues[at];
        change(queue);
        let bit = 1 << at;
        self.busy = if queue.is_empty() { self.busy & !bit } else { self.busy | bit };
    }
}

/// What the queue slot of a node depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// A child has assured bytes.
    pub(crate) assured: bool,
    /// A child could be served if this node could.
    pub(crate) ready: bool,
}

impl Node {
    pub(crate) fn new(params: Params, parent: Option<usize>, kind: NodeKind, now: Tick) -> Self {
        Self {
            params,
            parent,
            children: 0,
            tokens: Bucket::new(params.rate, params.burst, now),
            ctokens: Bucket::new(params.ceil, params.cburst, now),
            queue_slot: QueueSlot::Out,
            assured: Tag::assured(params.rate.0),
            borrowed: Tag::borrowed(u64::from(params.weight)),
            throttled: false,
            kind,
            counters: NodeCounters::default(),
        }
    }

    /// Whether its rate has tokens: *can send* in `tc`, regardless of the ceil.
    pub(crate) fn is_within_rate(&self, now: Tick) -> bool {
        self.params.rate.0 > 0 && self.tokens.is_open(now)
    }

    pub(crate) fn readiness(&self) -> Readiness {
        match &self.kind {
            NodeKind::Inner(queues) => queues.readiness(),
            NodeKind::Leaf(leaf) => Readiness { assured: false, ready: leaf.is_backlogged() },
        }
    }

    pub(crate) fn tag(&mut self, queue_slot: QueueSlot) -> &mut Tag {
        if queue_slot == QueueSlot::Assured { &mut self.assured } else { &mut self.borrowed }
    }

    pub(crate) fn leaf(&self) -> &Leaf {
        match &self.kind {
            NodeKind::Leaf(leaf) => leaf,
            NodeKind::Inner(_) => panic!("only a leaf has a backlog"),
        }
    }

    pub(crate) fn leaf_mut(&mut self) -> &mut Leaf {
        match &mut self.kind {
            NodeKind::Leaf(leaf) => leaf,
            NodeKind::Inner(_) => panic!("only a leaf has a backlog"),
        }
    }

    pub(crate) fn queues_mut(&mut self) -> &mut Queues {
        match &mut self.kind {
            NodeKind::Inner(queues) => queues,
            NodeKind::Leaf(_) => panic!("only an inner node has children"),
        }
    }
}
