//! Which of the newer specs run: all accepted ones first, then each newer one in its turn.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{DesiredSpec, DesiredSpecs};
use crate::rejection::Rejection;
use crate::resolved_pools::ResolvedPools;
use crate::rules::{self, Ruled};
use crate::snapshot::Node;

/// What runs, and why the rest does not.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    pub(crate) world: ResolvedPools<'a>,
    /// By pool: why what it asks for does not run.
    pub(crate) pools: Refused<'a>,
    /// By class, likewise.
    pub(crate) classes: Refused<'a>,
}

/// The objects whose newest spec does not run.
pub(crate) type Refused<'a> = BTreeMap<&'a str, Vec<Rejection>>;

/// Finds what runs.
///
/// A pool and its default class need each other, so a pool is taken on trust and its default class looked at
/// when all is tried. A pool that turns out to have none is refused after all, and everything is tried again
/// without its edit. So nothing of a refused edit shows anywhere but on its own object.
pub(crate) fn settle<'a>(wishes: &DesiredSpecs<'a>, nodes: &'a BTreeMap<String, Node>) -> Resolved<'a> {
    let mut barred = Refused::new();
    let mut causes = Refused::new();
    loop {
        let mut settled = settle_without(wishes, nodes, &barred);
        let broken = without_default_class(wishes, &settled.world);
        if broken.is_empty() {
            restore_causes(&mut settled, &causes);
            return settled;
        }
        barred.extend(broken);
        causes.extend(settled.classes);
    }
}

fn settle_without<'a>(
    wishes: &DesiredSpecs<'a>,
    nodes: &'a BTreeMap<String, Node>,
    barred: &Refused<'a>,
) -> Resolved<'a> {
    let mut world = ResolvedPools::empty(nodes);
    place_accepted(&mut world, wishes);
    let mut pools = open(&wishes.pools, &world);
    let mut classes = open(&wishes.classes, &world);
    // One edit may make room for another that came before it in order, so the rest is tried again until
    // nothing more is accepted. What is refused leaves no trace in the world.
    loop {
        let more_pools = pass(&mut world, wishes, &wishes.pools, &mut pools, barred);
        let more_classes = pass(&mut world, wishes, &wishes.classes, &mut classes, &Refused::new());
        if !more_pools && !more_classes {
            return Resolved { world, pools, classes };
        }
    }
}

/// Places what was accepted before, as it is: it was found to be in order once, and no edit of its own has
/// changed that. A class whose pool or parent is gone finds no place and is tried like a new one.
fn place_accepted<'a>(world: &mut ResolvedPools<'a>, wishes: &DesiredSpecs<'a>) {
    for wish in &wishes.pools {
        if let Some(accepted) = wish.accepted {
            Ruled::place(&accepted.spec, world, wish.name);
        }
    }
    let mut waiting: BTreeMap<Option<&str>, Vec<_>> = BTreeMap::new();
    for wish in &wishes.classes {
        if let Some(accepted) = wish.accepted {
            waiting.entry(accepted.spec.parent.as_deref()).or_default().push((wish.name, &accepted.spec));
        }
    }
    let mut ready = waiting.remove(&None).unwrap_or_default();
    while let Some((name, spec)) = ready.pop() {
        if world.has_place_for(spec) {
            world.place_class(name, spec);
            ready.extend(waiting.remove(&Some(name)).unwrap_or_default());
        }
    }
}

/// The objects of which something is left to try.
fn open<'a, S: Ruled>(wishes: &[DesiredSpec<'a, S>], world: &ResolvedPools<'a>) -> Refused<'a> {
    let open = wishes.iter().filter(|wish| wish.is_new() || S::placed(world, wish.name).is_none());
    open.map(|wish| (wish.name, Vec::new())).collect()
}

/// Tries all of one kind that are open, once; says whether anything found its place.
fn pass<'a, S: Ruled>(
    world: &mut ResolvedPools<'a>,
    wishes: &DesiredSpecs<'a>,
    kind: &[DesiredSpec<'a, S>],
    open: &mut Refused<'a>,
    barred: &Refused<'a>,
) -> bool {
    let mut progress = false;
    for wish in kind.iter().filter(|wish| open.contains_key(wish.name)).collect::<Vec<_>>() {
        let refusals = match barred.get(wish.name) {
            Some(refusals) => refusals.clone(),
            None => rules::of_edit(world, wishes, wish.name, wish.spec),
        };
        if refusals.is_empty() {
            wish.spec.place(world, wish.name);
            open.remove(wish.name);
            progress = true;
        } else {
            open.insert(wish.name, refusals);
            progress |= place_again(world, wishes, wish);
        }
    }
    progress
}

/// Gives an object whose place was gone the place of its accepted spec, if that is there again.
fn place_again<'a, S: Ruled>(
    world: &mut ResolvedPools<'a>,
    wishes: &DesiredSpecs<'a>,
    wish: &DesiredSpec<'a, S>,
) -> bool {
    let Some(accepted) = wish.accepted.filter(|_| S::placed(world, wish.name).is_none()) else {
        return false;
    };
    let in_order = rules::of_edit(world, wishes, wish.name, &accepted.spec).is_empty();
    if in_order {
        accepted.spec.place(world, wish.name);
    }
    in_order
}

/// The pools whose newer spec found a place and names a default class that did not.
fn without_default_class<'a>(wishes: &DesiredSpecs<'a>, world: &ResolvedPools<'a>) -> Refused<'a> {
    let changed = wishes.pools.iter().filter(|wish| {
        let before = wish.accepted.and_then(|accepted| accepted.spec.default_class.as_ref());
        before != wish.spec.default_class.as_ref()
    });
    let placed =
        changed.filter_map(|wish| Some((wish.name, world.pools.get(wish.name)?.layout.spec, wish.spec)));
    placed
        .filter(|(_, running, wished)| std::ptr::eq(*running, *wished))
        .filter_map(|(name, spec, _)| Some((name, vec![rules::default_class(world, wishes, name, spec)?])))
        .collect()
}

/// A class that was refused for a reason of its own, and now again because its pool went with it, is told its
/// own reason.
fn restore_causes<'a>(settled: &mut Resolved<'a>, causes: &Refused<'a>) {
    let still: BTreeSet<&str> = settled.classes.keys().copied().collect();
    for (name, cause) in causes.iter().filter(|(name, _)| still.contains(*name)) {
        settled.classes.insert(name, cause.clone());
    }
}
