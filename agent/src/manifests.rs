//! What was accepted of the manifests, and what follows from it for a host without Kubernetes.

mod accepted_specs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::manifest::{self, Located, Location, Manifest, Object, Problem};
use api::{Accepted, ClassStatus, EntropyClass, EntropyPool, PoolStatus};
use delivery::NodeConfig;
use plan::{Plan, Rejection, Snapshot};

/// The only node there is.
pub const HOST: &str = "host";

/// Every object as it was last read and as it was last accepted.
#[derive(Clone, Debug, Default)]
pub struct ManifestSet {
    pools: BTreeMap<String, EntropyPool>,
    classes: BTreeMap<String, EntropyClass>,
    namespaces: BTreeSet<String>,
    config: Arc<NodeConfig>,
}

/// What a reading of the manifests came to.
#[derive(Debug, Default)]
pub struct ReadOutcome {
    /// Sentences on what was refused; the rest is in force.
    pub refused: Vec<String>,
    /// Sentences on what is worth knowing, and no reason to refuse.
    pub noted: Vec<String>,
}

impl ManifestSet {
    /// An empty book that knows these namespaces.
    pub fn new(namespaces: impl IntoIterator<Item = String>) -> Self {
        Self { namespaces: namespaces.into_iter().collect(), ..Self::default() }
    }

    /// What the host serves.
    pub fn config(&self) -> &Arc<NodeConfig> {
        &self.config
    }

    /// Whether there is anything to draw from.
    pub fn served_pools(&self) -> bool {
        !self.config.pools.is_empty()
    }

    /// Takes over what the manifests say. Where a manifest cannot be understood nothing changes at all; where
    /// an object breaks a rule it stays as it was last accepted.
    pub fn read(&mut self, manifest: Manifest) -> ReadOutcome {
        let noted = sentences(&manifest.ignored);
        let problems = self.problems(&manifest);
        if !problems.is_empty() {
            return ReadOutcome { refused: sentences(&problems), noted };
        }
        let places = places(&manifest.objects);
        let (next, plan) = self.with(manifest.objects).planned();
        *self = next;
        let sentence = |refusal| placed(&places, refusal);
        let mut verdict = ReadOutcome { refused: plan.rejections().map(sentence).collect(), noted };
        verdict.noted.extend(plan.standing_problems().map(sentence));
        verdict
    }

    /// Learns of a namespace; says whether it was new.
    pub fn add_namespace(&mut self, namespace: &str) -> bool {
        if !self.namespaces.insert(namespace.to_owned()) {
            return false;
        }
        let (next, _) = self.clone().planned();
        *self = next;
        true
    }

    /// What is wrong with the manifests by themselves, and as an edit of what is in force.
    fn problems(&self, manifest: &Manifest) -> Vec<Problem> {
        let mut problems = manifest.problems.clone();
        for located in &manifest.objects {
            if let Some(old) = self.in_force(&located.object).filter(|old| differ(old, &located.object)) {
                problems.extend(manifest::transition(&old, located));
            }
        }
        let pools = manifest.objects.iter().any(|located| matches!(located.object, Object::Pool(_)));
        if problems.is_empty() && !pools {
            problems.push(Problem::in_file(
                "the manifests",
                "no EntropyPool is in them: `kind: EntropyPool` with `spec: {}` is one that serves",
            ));
        }
        problems
    }

    /// The object of the same name as it runs.
    fn in_force(&self, object: &Object) -> Option<Object> {
        match object {
            Object::Pool(_) => {
                let pool = self.pools.get(object.name())?;
                let spec = pool.status.as_ref()?.accepted.as_ref()?.spec.clone();
                Some(Object::Pool(Box::new(EntropyPool { spec, ..pool.clone() })))
            }
            Object::Class(_) => {
                let class = self.classes.get(object.name())?;
                let spec = class.status.as_ref()?.accepted.as_ref()?.spec.clone();
                Some(Object::Class(Box::new(EntropyClass { spec, ..class.clone() })))
            }
        }
    }

    /// The book with these objects instead of its own, each with the memory of its namesake.
    fn with(&self, objects: Vec<Located>) -> Self {
        let mut next = Self { pools: BTreeMap::new(), classes: BTreeMap::new(), ..self.clone() };
        for located in objects {
            let name = located.object.name().to_owned();
            match located.object {
                Object::Pool(mut pool) => {
                    let old = self.pools.get(&name);
                    pool.metadata.generation =
                        generation(old.map(|old| (old.metadata.generation, old.spec == pool.spec)));
                    pool.status = old.and_then(|old| old.status.clone());
                    next.pools.insert(name, *pool);
                }
                Object::Class(mut class) => {
                    let old = self.classes.get(&name);
                    class.metadata.generation =
                        generation(old.map(|old| (old.metadata.generation, old.spec == class.spec)));
                    class.status = old.and_then(|old| old.status.clone());
                    next.classes.insert(name, *class);
                }
            }
        }
        next
    }

    /// The book after planning: what was accepted is written down.
    fn planned(mut self) -> (Self, Plan) {
        let plan = plan::plan(&self.snapshot());
        for (name, pool) in &mut self.pools {
            let accepted: Option<Accepted<_>> = plan.pools.get(name).and_then(|it| it.accepted_spec.clone());
            pool.status = Some(PoolStatus { accepted, ..PoolStatus::default() });
        }
        for (name, class) in &mut self.classes {
            let accepted: Option<Accepted<_>> =
                plan.classes.get(name).and_then(|it| it.accepted_spec.clone());
            class.status = Some(ClassStatus { accepted, ..ClassStatus::default() });
        }
        self.config = plan.nodes.get(HOST).cloned().unwrap_or_default();
        (self, plan)
    }

    fn snapshot(&self) -> Snapshot {
        let pools = self.pools.values().cloned().collect();
        let classes = self.classes.values().cloned().collect();
        Snapshot::of_host(HOST, pools, classes, self.namespaces.iter().cloned())
    }
}

impl ReadOutcome {
    /// Says what was refused where something else goes on.
    pub fn complain(&self) {
        for problem in &self.refused {
            tracing::error!(problem, "refused; what was accepted last goes on");
        }
    }
}

/// As the API server counts: one more with each change of the spec.
fn generation(old: Option<(Option<i64>, bool)>) -> Option<i64> {
    match old {
        None => Some(1),
        Some((generation, true)) => generation,
        Some((generation, false)) => Some(generation.unwrap_or_default() + 1),
    }
}

/// Whether the specs differ.
fn differ(old: &Object, new: &Object) -> bool {
    match (old, new) {
        (Object::Pool(old), Object::Pool(new)) => old.spec != new.spec,
        (Object::Class(old), Object::Class(new)) => old.spec != new.spec,
        _ => true,
    }
}

/// Where each object stands, by kind and name.
fn places(objects: &[Located]) -> BTreeMap<String, Location> {
    objects.iter().map(|located| (located.object.title(), located.location.clone())).collect()
}

/// What the plan says of an object, with the place where it was read.
fn placed(places: &BTreeMap<String, Location>, refusal: &Rejection) -> String {
    match places.get(&format!("{} {}", refusal.kind, refusal.name)) {
        Some(place) => format!("{place}: {refusal}"),
        None => refusal.to_string(),
    }
}

fn sentences(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const POOL: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: p}, \
                        spec: {rate: 64Ki/s}}\n---\n";
    const CLASS: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: c}, \
                         spec: {pool: p, rate: 16Ki/s}}";

    fn read(book: &mut ManifestSet, text: &str) -> Vec<String> {
        book.read(manifest::parse("test.yaml", text)).refused
    }

    fn accepted() -> ManifestSet {
        let mut book = ManifestSet::new([]);
        assert_eq!(read(&mut book, &(POOL.to_owned() + CLASS)), Vec::<String>::new());
        book
    }

    #[test]
    fn a_refused_edit_leaves_what_was_accepted_and_may_be_mended() {
        let mut book = accepted();
        let before = Arc::clone(book.config());
        let refused = read(&mut book, &(POOL.to_owned() + &CLASS.replace("16Ki/s", "65Ki/s")));
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with("test.yaml:3: EntropyClass c: spec.rate: "), "{refused:?}");
        assert_eq!(*book.config(), before);
        assert_eq!(
            read(&mut book, &(POOL.replace("64", "65") + &CLASS.replace("16Ki/s", "65Ki/s"))).len(),
            0
        );
        assert_ne!(*book.config(), before);
    }

    #[test]
    fn a_refused_edit_does_not_hold_up_its_neighbours() {
        let mut book = accepted();
        let both = POOL.replace("64Ki/s", "32Ki/s") + &CLASS.replace("16Ki/s", "33Ki/s");
        assert_eq!(read(&mut book, &both).len(), 1);
        assert_eq!(book.config().pools[0].shape.rate.0, 32 * 1_024 * 86_400);
    }

    #[test]
    fn a_manifest_that_cannot_be_understood_changes_nothing() {
        let mut book = accepted();
        let before = Arc::clone(book.config());
        for text in ["", "not: a: manifest", &(POOL.replace("64", "32") + &CLASS.replace("rate", "raet"))] {
            assert!(!read(&mut book, text).is_empty(), "{text}");
            assert_eq!(*book.config(), before, "{text}");
        }
    }

    #[test]
    fn a_generation_counts_changes_of_the_spec_alone() {
        let mut book = accepted();
        let generation = |book: &ManifestSet| book.classes["c"].metadata.generation;
        read(&mut book, &(POOL.to_owned() + CLASS));
        assert_eq!(generation(&book), Some(1));
        read(&mut book, &(POOL.to_owned() + &CLASS.replace("16", "17")));
        assert_eq!(generation(&book), Some(2));
    }
    #[test]
    fn a_book_that_was_remembered_goes_on_where_it_was() {
        let before = accepted();
        let mut book = ManifestSet::new([]).remember(before.specs());
        assert_eq!(book.config(), before.config());
        let refused = read(&mut book, &(POOL.to_owned() + &CLASS.replace("16Ki/s", "65Ki/s")));
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(book.config(), before.config());
        assert_eq!(book.specs(), before.specs());
    }
}
