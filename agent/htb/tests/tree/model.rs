//! A slow and obvious model of the tree: every bucket is updated at each step, and every decision is derived from the
//! definitions by visiting every node.

use htb::{Decision, MAX_GRANT, MAX_OWED, NodeId, Params, Tick};

const UNITS: i128 = 86_400_000_000_000;

/// What is wanted of a node and how it may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Out,
    Assured,
    Borrowing,
}

/// A node's standing in one kind of its parent's queues.
#[derive(Clone, Copy, Debug, Default)]
struct Tag {
    start: u128,
    finish: u128,
    /// Bytes of the last request; `None` counts as a maximal one.
    last: Option<u128>,
}

#[derive(Clone, Debug)]
struct Node {
    id: NodeId,
    parent: Option<usize>,
    params: Params,
    leaf: bool,
    backlog: u64,
    tokens: i128,
    ctokens: i128,
    place: Place,
    assured: Tag,
    borrowed: Tag,
    assured_time: u128,
    borrowed_time: [u128; 8],
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// In the order of creation; removed nodes are `None`.
    nodes: Vec<Option<Node>>,
    now: u64,
}

impl Model {
    pub(crate) fn new(root: NodeId, params: Params) -> Self {
        let mut model = Self::default();
        model.add(root, None, params, false, Tick(0));
        model
    }

    pub(crate) fn add(&mut self, id: NodeId, parent: Option<NodeId>, params: Params, leaf: bool, now: Tick) {
        self.pass(now);
        self.nodes.push(Some(Node {
            id,
            parent: parent.map(|parent| self.find(parent)),
            params,
            leaf,
            backlog: 0,
            tokens: i128::from(params.burst) * UNITS,
            ctokens: i128::from(params.cburst) * UNITS,
            place: Place::Out,
            assured: Tag::default(),
            borrowed: Tag::default(),
            assured_time: 0,
            borrowed_time: [0; 8],
        }));
    }

    pub(crate) fn remove(&mut self, id: NodeId, now: Tick) {
        self.pass(now);
        let node = self.find(id);
        self.nodes[node] = None;
        self.place_all();
    }

    pub(crate) fn enqueue(&mut self, id: NodeId, bytes: u64, now: Tick) -> u64 {
        self.pass(now);
        let node = self.find_mut(id);
        let added = bytes.min(MAX_OWED - node.backlog);
        node.backlog += added;
        self.place_all();
        added
    }

    pub(crate) fn cancel(&mut self, id: NodeId, bytes: u64, now: Tick) -> u64 {
        self.pass(now);
        let node = self.find_mut(id);
        let taken = bytes.min(node.backlog);
        node.backlog -= taken;
        self.place_all();
        taken
    }

    pub(crate) fn set_params(&mut self, id: NodeId, params: Params, now: Tick) {
        self.pass(now);
        let node = self.find_mut(id);
        if node.params.prio != params.prio {
            node.borrowed = Tag::default();
            if node.place == Place::Borrowing {
                node.place = Place::Out;
            }
        }
        node.params = params;
        node.tokens = node.tokens.min(i128::from(params.burst) * UNITS);
        node.ctokens = node.ctokens.min(i128::from(params.cburst) * UNITS);
        self.place_all();
    }

    pub(crate) fn set_parent(&mut self, id: NodeId, parent: NodeId, now: Tick) {
        self.pass(now);
        let to = Some(self.find(parent));
        let node = self.find_mut(id);
        if node.parent != to {
            node.parent = to;
            (node.assured, node.borrowed) = (Tag::default(), Tag::default());
            node.place = Place::Out;
        }
        self.place_all();
    }

    pub(crate) fn charge(&mut self, id: NodeId, bytes: u64, now: Tick) {
        self.pass(now);
        let path = self.path(self.find(id));
        let lender = *path.iter().find(|&&node| self.pays(node)).unwrap_or(path.last().unwrap());
        self.pay(&path, lender, bytes);
        self.place_all();
    }

    pub(crate) fn available(&self, id: NodeId) -> u64 {
        u64::try_from(self.at(self.find(id)).ctokens.div_euclid(UNITS)).unwrap_or(0)
    }

    /// Tokens, ceil tokens, backlog.
    pub(crate) fn state(&self, id: NodeId) -> (i64, i64, u64) {
        let node = self.at(self.find(id));
        let bytes = |units: i128| i64::try_from(units.div_euclid(UNITS)).unwrap();
        (bytes(node.tokens), bytes(node.ctokens), node.backlog)
    }

    pub(crate) fn dequeue(&mut self, now: Tick, supply: u64) -> Decision {
        self.pass(now);
        self.place_all();
        if !self.ready(0) {
            return self.wait();
        }
        let (mut lender, mut path) = (None, vec![0]);
        while let Some(&top) = path.last().filter(|&&node| !self.at(node).leaf) {
            let child = self.first(top, Place::Assured).or_else(|| {
                lender = lender.or(Some(top));
                self.first(top, Place::Borrowing)
            });
            path.push(child.unwrap());
        }
        path.reverse();
        let leaf = path[0];
        let bytes = self.at(leaf).backlog.min(MAX_GRANT);
        if bytes > supply {
            return Decision::WaitForSupply { bytes };
        }
        for &node in &path {
            self.advance_queue(node, bytes);
        }
        self.at_mut(leaf).backlog -= bytes;
        self.pay(&path, lender.unwrap_or(leaf), bytes);
        self.place_all();
        Decision::Grant { leaf: self.at(leaf).id, bytes }
    }

    /// The earliest instant at which the complete path of some leaf is open.
    fn wait(&self) -> Decision {
        let waiting = self.all().filter(|&node| self.at(node).leaf && self.wants(node));
        let opens = waiting.filter_map(|leaf| {
            let path = self.path(leaf).into_iter();
            path.map(|node| self.opens(node)).try_fold(0, |latest, opens| Some(opens?.max(latest)))
        });
        opens.min().map_or(Decision::Idle, |opens| Decision::WaitUntil(Tick(opens)))
    }

    fn opens(&self, node: usize) -> Option<u64> {
        let Node { ctokens, params, .. } = self.at(node);
        if *ctokens >= 0 {
            return Some(self.now);
        }
        let rate = i128::from(params.ceil.0);
        let wait = (-ctokens + rate - 1).checked_div(rate)?;
        u64::try_from(wait + i128::from(self.now)).ok()
    }

    /// Updates every bucket to `now`.
    pub(crate) fn pass(&mut self, now: Tick) {
        let elapsed = now.0.saturating_sub(self.now);
        self.now += elapsed;
        for node in self.nodes.iter_mut().flatten() {
            let Params { rate, ceil, burst, cburst, .. } = node.params;
            let earn = |credit: i128, rate: u64, burst: u64| {
                let earned = i128::from(rate) * i128::from(elapsed);
                (credit + earned).min(i128::from(burst) * UNITS)
            };
            node.tokens = earn(node.tokens, rate.0, burst);
            node.ctokens = earn(node.ctokens, ceil.0, cburst);
        }
    }

    fn pay(&mut self, path: &[usize], lender: usize, bytes: u64) {
        let cost = i128::from(bytes) * UNITS;
        let paying = path.iter().position(|&node| node == lender).unwrap();
        for (level, &node) in path.iter().enumerate() {
            let node = self.at_mut(node);
            node.ctokens -= cost;
            node.tokens -= if level >= paying { cost } else { 0 };
        }
    }

    // The definitions.

    fn open(&self, node: usize) -> bool {
        self.at(node).ctokens >= 0
    }

    fn pays(&self, node: usize) -> bool {
        self.at(node).tokens >= 0 && self.at(node).params.rate.0 > 0
    }

    fn wants(&self, node: usize) -> bool {
        let Node { leaf, backlog, .. } = self.at(node);
        if *leaf { *backlog > 0 } else { self.children(node).any(|child| self.ready(child)) }
    }

    fn ready(&self, node: usize) -> bool {
        self.open(node) && self.wants(node)
    }

    fn assured(&self, node: usize) -> bool {
        let from_below = self.children(node).any(|child| self.assured(child));
        self.open(node) && (from_below || (self.pays(node) && self.wants(node)))
    }

    /// The child to serve first: with assured bytes the one with the earliest finish of a request as long as the last;
    /// among borrowers the lowest prio, then the earliest start; then the lowest slot.
    fn first(&self, node: usize, place: Place) -> Option<usize> {
        let children = self.children(node).filter(|&child| self.at(child).place == place);
        children.min_by_key(|&child| {
            let Node { id, params, assured, borrowed, .. } = self.at(child);
            let like_last = assured.last.unwrap_or(MAX_GRANT.into()) * inverse_share(params.rate.0);
            match place {
                Place::Assured => (0, assured.start + like_last, id.index()),
                _ => (params.prio, borrowed.start, id.index()),
            }
        })
    }

    // The turns.

    fn advance_queue(&mut self, node: usize, bytes: u64) {
        let Some(parent) = self.at(node).parent else { return };
        let Params { rate, weight, prio, .. } = self.at(node).params;
        let (place, bytes) = (self.at(node).place, u128::from(bytes));
        let own = self.at_mut(node);
        let (tag, per_byte) = match place {
            Place::Assured => (&mut own.assured, inverse_share(rate.0)),
            _ => (&mut own.borrowed, inverse_share(u64::from(weight))),
        };
        let started = tag.start;
        tag.last = Some(bytes);
        tag.finish = tag.start + bytes * per_byte;
        tag.start = tag.finish;
        let above = self.at_mut(parent);
        let time = match place {
            Place::Assured => &mut above.assured_time,
            _ => &mut above.borrowed_time[usize::from(prio)],
        };
        *time = started.max(*time);
    }

    fn place_all(&mut self) {
        for node in self.all().collect::<Vec<_>>() {
            let place = match (self.ready(node), self.assured(node)) {
                (_, true) => Place::Assured,
                (true, false) => Place::Borrowing,
                (false, false) => Place::Out,
            };
            self.place(node, place);
        }
    }

    fn place(&mut self, node: usize, place: Place) {
        let Some(parent) = self.at(node).parent.map(|parent| self.at(parent).clone()) else { return };
        let own = self.at_mut(node);
        let was = std::mem::replace(&mut own.place, place);
        if was == place {
            return;
        }
        match place {
            Place::Out => {}
            Place::Assured => own.assured.start = own.assured.finish.max(parent.assured_time),
            Place::Borrowing => {
                let time = parent.borrowed_time[usize::from(own.params.prio)];
                own.borrowed.start = own.borrowed.finish.max(time);
            }
        }
    }

    // The tree.

    fn all(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].is_some())
    }

    fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        self.all().filter(move |&child| self.at(child).parent == Some(node))
    }

    fn path(&self, node: usize) -> Vec<usize> {
        std::iter::successors(Some(node), |&node| self.at(node).parent).collect()
    }

    fn find(&self, id: NodeId) -> usize {
        self.all().find(|&node| self.at(node).id == id).unwrap()
    }

    fn find_mut(&mut self, id: NodeId) -> &mut Node {
        let node = self.find(id);
        self.at_mut(node)
    }

    fn at(&self, node: usize) -> &Node {
        self.nodes[node].as_ref().unwrap()
    }

    fn at_mut(&mut self, node: usize) -> &mut Node {
        self.nodes[node].as_mut().unwrap()
    }
}

fn inverse_share(share: u64) -> u128 {
    (1 << 64) / u128::from(share.max(1))
}
