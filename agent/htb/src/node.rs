//! One node of the tree.

use alloc::boxed::Box;

use crate::bucket::Bucket;
use crate::fair::{FairQueue, Tag};
use crate::params::{MAX_PRIO, Params};
use crate::stats::NodeCounters;
use crate::units::Tick;

/// In which of its parent's queues a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueSlot {
    /// In none: nothing is wanted below it, or its ceil is used up.
    Out,
    /// Its next bytes are assured to it or to something below it.
    Assured,
    /// Its next bytes have to be borrowed; at that prio.
    Borrowing(u8),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) params: Params,
    pub(crate) parent: Option<usize>,
    pub(crate) children: usize,
    pub(crate) tokens: Bucket,
    pub(crate) ctokens: Bucket,
    pub(crate) place: QueueSlot,
    pub(crate) assured: Tag,
    pub(crate) borrowed: Tag,
    /// Something is wanted of it that its ceil does not let through.
    pub(crate) held: bool,
    pub(crate) kind: NodeKind,
    pub(crate) counts: NodeCounters,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Inner(Box<Queues>),
    Leaf(Leaf),
}

/// What a leaf is owed.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    pub(crate) backlog: u64,
    pub(crate) waiting_since: Option<Tick>,
}

impl Leaf {
    pub(crate) fn wants(&self) -> bool {
        self.backlog > 0
    }
}

/// The children of an inner node that could be served now.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// One for each prio of those that borrow, and then the one of those that are assured.
    queues: [FairQueue; ASSURED + 1],
    /// Which of them have anybody, a bit each.
    busy: u16,
}

/// Where the queue of the assured stands, behind those of the borrowers.
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
    /// The assured child to serve first.
    pub(crate) fn first_assured(&self) -> Option<usize> {
        if self.shape().assured { self.queues[ASSURED].first() } else { None }
    }

    /// The borrower to serve first: of the lowest prio that has any.
    pub(crate) fn first_borrower(&self) -> Option<usize> {
        self.queues.get(self.busy.trailing_zeros() as usize)?.first()
    }

    pub(crate) fn shape(&self) -> NodeShape {
        NodeShape { assured: self.busy >> ASSURED != 0, ready: self.busy != 0 }
    }

    /// Changes the queue of a place, if it has one.
    pub(crate) fn change(&mut self, place: QueueSlot, change: impl FnOnce(&mut FairQueue)) {
        let Some(at) = place.queue() else { return };
        let queue = &mut self.queues[at];
        change(queue);
        let bit = 1 << at;
        self.busy = if queue.is_empty() { self.busy & !bit } else { self.busy | bit };
    }
}

/// What a node's own place depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeShape {
    /// Some child is assured.
    pub(crate) assured: bool,
    /// Some child could be served, if this node could.
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
            place: QueueSlot::Out,
            assured: Tag::assured(params.rate.0),
            borrowed: Tag::borrowed(u64::from(params.weight)),
            held: false,
            kind,
            counts: NodeCounters::default(),
        }
    }

    /// `tc`'s *can send*, but for the ceil: it pays for itself.
    pub(crate) fn pays(&self, now: Tick) -> bool {
        self.params.rate.0 > 0 && self.tokens.is_open(now)
    }

    pub(crate) fn shape(&self) -> NodeShape {
        match &self.kind {
            NodeKind::Inner(queues) => queues.shape(),
            NodeKind::Leaf(leaf) => NodeShape { assured: false, ready: leaf.wants() },
        }
    }

    pub(crate) fn tag(&mut self, place: QueueSlot) -> &mut Tag {
        if place == QueueSlot::Assured { &mut self.assured } else { &mut self.borrowed }
    }

    pub(crate) fn leaf(&self) -> &Leaf {
        match &self.kind {
            NodeKind::Leaf(leaf) => leaf,
            NodeKind::Inner(_) => panic!("only a leaf is owed bytes"),
        }
    }

    pub(crate) fn leaf_mut(&mut self) -> &mut Leaf {
        match &mut self.kind {
            NodeKind::Leaf(leaf) => leaf,
            NodeKind::Inner(_) => panic!("only a leaf is owed bytes"),
        }
    }

    pub(crate) fn queues_mut(&mut self) -> &mut Queues {
        match &mut self.kind {
            NodeKind::Inner(queues) => queues,
            NodeKind::Leaf(_) => panic!("only an inner node has children"),
        }
    }
}
