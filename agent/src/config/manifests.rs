//! The manifests that a host without Kubernetes has accepted, and the configuration that `plan` makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use api::manifest::{self, Located, Location, Manifest, Object, Problem};
use api::{Accepted, EntropyClass, EntropyClassStatus, EntropyPool, EntropyPoolStatus};
use delivery::NodeConfig;
use plan::{ClusterSnapshot, Plan, Rejection};

use crate::checkpoint::AcceptedSpecs;

/// The name of the host in a plan: its only node.
pub const HOST: &str = "host";

/// Every object as it was last read and as it was last accepted.
#[derive(Clone, Debug, Default)]
pub struct ManifestSet {
    pools: BTreeMap<String, EntropyPool>,
    classes: BTreeMap<String, EntropyClass>,
    namespaces: BTreeSet<String>,
    config: Arc<NodeConfig>,
}

/// The result of reading manifests.
#[derive(Debug, Default)]
pub struct ReadOutcome {
    /// A message for each object that was rejected; the others are accepted.
    pub refused: Vec<String>,
    /// A message for each thing worth knowing that is no reason to reject an object.
    pub noted: Vec<String>,
    /// The files of which some objects were accepted and some rejected.
    pub partly_accepted: Vec<PartlyAccepted>,
}

/// A file of which some objects are accepted and the others rejected, by title: `EntropyClass gold`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlyAccepted {
    pub file: String,
    pub accepted: Vec<String>,
    pub refused: Vec<String>,
}

/// Such as "in shop.yaml, `EntropyPool` default is accepted, and `EntropyClass` gold is refused".
impl Display for PartlyAccepted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (accepted, refused) = (listed(&self.accepted), listed(&self.refused));
        let verb = |titles: &[String]| if titles.len() == 1 { "is" } else { "are" };
        write!(
            f,
            "in {}, {accepted} {} accepted, and {refused} {} refused",
            self.file,
            verb(&self.accepted),
            verb(&self.refused)
        )
    }
}

/// The first titles, and how many more there are.
fn listed(titles: &[String]) -> String {
    const LISTED: usize = 8;
    let shown = titles.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match titles.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl ManifestSet {
    /// An empty set; `namespaces` are those that VMs are in, for selectors.
    pub fn new(namespaces: impl IntoIterator<Item = String>) -> Self {
        Self { namespaces: namespaces.into_iter().collect(), ..Self::default() }
    }

    /// The configuration that follows from the accepted objects.
    pub fn config(&self) -> &Arc<NodeConfig> {
        &self.config
    }

    /// Whether the configuration has any pools.
    pub fn has_pools(&self) -> bool {
        !self.config.pools.is_empty()
    }

    /// Replaces the objects by those of `manifest`. If that is invalid nothing changes; an object that breaks a rule
    /// stays as it was last accepted.
    pub fn read(&mut self, manifest: Manifest) -> ReadOutcome {
        let noted = messages(&manifest.ignored);
        let problems = self.problems(&manifest);
        if !problems.is_empty() {
            return ReadOutcome { refused: messages(&problems), noted, ..ReadOutcome::default() };
        }
        let locations = locations(&manifest.objects);
        let (next, plan) = self.with(manifest.objects).planned();
        *self = next;
        let message = |rejection| located(&locations, rejection);
        let mut outcome = ReadOutcome {
            refused: plan.rejections().map(message).collect(),
            noted,
            partly_accepted: partly_accepted(&locations, &plan),
        };
        outcome.noted.extend(plan.standing_problems().chain(plan.warnings()).map(message));
        outcome
    }

    /// The pools that cannot be served, with their classes, stay as they were accepted `before`; then `config` is in effect.
    /// The next reading tries them again.
    pub(crate) fn keep_pools_of(
        &mut self,
        before: &Self,
        is_kept: impl Fn(&str) -> bool,
        config: Arc<NodeConfig>,
    ) {
        for (name, pool) in self.pools.iter_mut().filter(|(name, _)| is_kept(name)) {
            pool.status = before.pools.get(name).and_then(|pool| pool.status.clone());
        }
        for (name, class) in self.classes.iter_mut().filter(|(_, class)| is_kept(&class.spec.pool)) {
            class.status = before.classes.get(name).and_then(|class| class.status.clone());
        }
        self.config = config;
    }

    /// Adds a namespace that a VM is in. Returns whether it is new.
    pub fn add_namespace(&mut self, namespace: &str) -> bool {
        if !self.namespaces.insert(namespace.to_owned()) {
            return false;
        }
        let (next, _) = self.clone().planned();
        *self = next;
        true
    }

    /// The set as it was when these specs were accepted, with nothing read since.
    #[must_use]
    pub fn restore(self, specs: AcceptedSpecs) -> Self {
        let pools =
            specs.pools.into_iter().map(|(name, accepted)| (name.clone(), accepted_pool(&name, accepted)));
        let classes =
            specs.classes.into_iter().map(|(name, accepted)| (name.clone(), accepted_class(&name, accepted)));
        let (restored, _) = Self { pools: pools.collect(), classes: classes.collect(), ..self }.planned();
        restored
    }

    /// The last accepted spec of each object.
    pub fn specs(&self) -> AcceptedSpecs {
        let pool = |(name, pool): (&String, &EntropyPool)| {
            Some((name.clone(), pool.status.as_ref()?.accepted.clone()?))
        };
        let class = |(name, class): (&String, &EntropyClass)| {
            Some((name.clone(), class.status.as_ref()?.accepted.clone()?))
        };
        let pools: BTreeMap<_, _> = self.pools.iter().filter_map(pool).collect();
        AcceptedSpecs { pools, classes: self.classes.iter().filter_map(class).collect() }
    }

    /// The errors of the manifests by themselves, and as an edit of the accepted objects.
    fn problems(&self, manifest: &Manifest) -> Vec<Problem> {
        let mut problems = manifest.problems.clone();
        for located in &manifest.objects {
            if let Some(old) = self.accepted(&located.object).filter(|old| differ(old, &located.object)) {
                problems.extend(manifest::transition(&old, located));
            }
        }
        let pools = manifest.objects.iter().any(|located| matches!(located.object, Object::Pool(_)));
        if problems.is_empty() && !pools {
            problems.push(Problem::in_file(
                "the manifests",
                "they contain no EntropyPool; the smallest has `kind: EntropyPool` and `spec: {}`",
            ));
        }
        problems
    }

    /// The object of the same name with its accepted spec.
    fn accepted(&self, object: &Object) -> Option<Object> {
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

    /// The set with its objects replaced by these; each keeps the generation and status of the object of the same name.
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

    /// The set after planning, with what was accepted in each object's status.
    fn planned(mut self) -> (Self, Plan) {
        let plan = plan::plan(&self.snapshot());
        for (name, pool) in &mut self.pools {
            let accepted: Option<Accepted<_>> = plan.pools.get(name).and_then(|it| it.accepted_spec.clone());
            pool.status = Some(EntropyPoolStatus { accepted, ..EntropyPoolStatus::default() });
        }
        for (name, class) in &mut self.classes {
            let accepted: Option<Accepted<_>> =
                plan.classes.get(name).and_then(|it| it.accepted_spec.clone());
            class.status = Some(EntropyClassStatus { accepted, ..EntropyClassStatus::default() });
        }
        self.config = plan.nodes.get(HOST).cloned().unwrap_or_default();
        (self, plan)
    }

    fn snapshot(&self) -> ClusterSnapshot {
        let pools = self.pools.values().cloned().collect();
        let classes = self.classes.values().cloned().collect();
        ClusterSnapshot::of_host(HOST, pools, classes, self.namespaces.iter().cloned())
    }
}

impl ReadOutcome {
    /// Logs what was rejected while the last accepted spec remains.
    pub(crate) fn log_refused(&self) {
        for problem in &self.refused {
            tracing::error!(problem, "refused; the last accepted spec stays in effect");
        }
        for PartlyAccepted { file, accepted, refused } in &self.partly_accepted {
            let (accepted, refused) = (listed(accepted), listed(refused));
            tracing::warn!(file, accepted, refused, "manifest accepted in part");
        }
    }
}

/// Like the API server: incremented by each change of the spec.
fn generation(old: Option<(Option<i64>, bool)>) -> Option<i64> {
    match old {
        None => Some(1),
        Some((generation, true)) => generation,
        Some((generation, false)) => Some(generation.unwrap_or_default() + 1),
    }
}

fn differ(old: &Object, new: &Object) -> bool {
    match (old, new) {
        (Object::Pool(old), Object::Pool(new)) => old.spec != new.spec,
        (Object::Class(old), Object::Class(new)) => old.spec != new.spec,
        _ => true,
    }
}

/// The location of each object, by kind and name.
fn locations(objects: &[Located]) -> BTreeMap<String, Location> {
    objects.iter().map(|located| (located.object.title(), located.location.clone())).collect()
}

/// The files with both accepted and rejected objects, in the order of their names.
fn partly_accepted(locations: &BTreeMap<String, Location>, plan: &Plan) -> Vec<PartlyAccepted> {
    let rejected: BTreeSet<String> =
        plan.rejections().map(|rejection| format!("{} {}", rejection.kind, rejection.name)).collect();
    let mut files: BTreeMap<&str, PartlyAccepted> = BTreeMap::new();
    for (title, location) in locations {
        let file = files.entry(&location.file).or_insert_with(|| PartlyAccepted {
            file: location.file.clone(),
            accepted: Vec::new(),
            refused: Vec::new(),
        });
        let titles = if rejected.contains(title) { &mut file.refused } else { &mut file.accepted };
        titles.push(title.clone());
    }
    files.into_values().filter(|file| !file.accepted.is_empty() && !file.refused.is_empty()).collect()
}

/// A rejection with the location at which its object was read.
fn located(locations: &BTreeMap<String, Location>, rejection: &Rejection) -> String {
    match locations.get(&format!("{} {}", rejection.kind, rejection.name)) {
        Some(location) => format!("{location}: {rejection}"),
        None => rejection.to_string(),
    }
}

fn messages(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn accepted_pool(name: &str, accepted: Accepted<api::EntropyPoolSpec>) -> EntropyPool {
    let mut pool = EntropyPool::new(name, accepted.spec.clone());
    pool.metadata.generation = Some(accepted.generation);
    pool.status = Some(EntropyPoolStatus { accepted: Some(accepted), ..EntropyPoolStatus::default() });
    pool
}

fn accepted_class(name: &str, accepted: Accepted<api::EntropyClassSpec>) -> EntropyClass {
    let mut class = EntropyClass::new(name, accepted.spec.clone());
    class.metadata.generation = Some(accepted.generation);
    class.status = Some(EntropyClassStatus { accepted: Some(accepted), ..EntropyClassStatus::default() });
    class
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const POOL: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: p}, \
                        spec: {rate: 64Ki/s}}\n---\n";
    const CLASS: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: c}, \
                         spec: {pool: p, rate: 16Ki/s}}";

    fn read(set: &mut ManifestSet, text: &str) -> Vec<String> {
        set.read(manifest::parse("test.yaml", text)).refused
    }

    fn accepted() -> ManifestSet {
        let mut set = ManifestSet::new([]);
        assert_eq!(read(&mut set, &(POOL.to_owned() + CLASS)), Vec::<String>::new());
        set
    }

    #[test]
    fn a_refused_edit_keeps_the_accepted_spec_and_can_be_corrected() {
        let mut set = accepted();
        let before = Arc::clone(set.config());
        let refused = read(&mut set, &(POOL.to_owned() + &CLASS.replace("16Ki/s", "65Ki/s")));
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with("test.yaml:3: EntropyClass c: spec.rate: "), "{refused:?}");
        assert_eq!(*set.config(), before);
        assert_eq!(read(&mut set, &(POOL.replace("64", "65") + &CLASS.replace("16Ki/s", "65Ki/s"))).len(), 0);
        assert_ne!(*set.config(), before);
    }

    #[test]
    fn a_refused_edit_does_not_block_the_others() {
        let mut set = accepted();
        let both = POOL.replace("64Ki/s", "32Ki/s") + &CLASS.replace("16Ki/s", "33Ki/s");
        assert_eq!(read(&mut set, &both).len(), 1);
        assert_eq!(set.config().pools[0].shape.rate.0, 32 * 1_024 * 86_400);
    }

    #[test]
    fn a_file_that_is_accepted_in_part_says_which_part() {
        let mut set = accepted();
        let both = POOL.replace("64Ki/s", "32Ki/s") + &CLASS.replace("16Ki/s", "33Ki/s");
        let outcome = set.read(manifest::parse("test.yaml", &both));
        let said: Vec<_> = outcome.partly_accepted.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["in test.yaml, EntropyPool p is accepted, and EntropyClass c is refused"]);
        // What is wrong by itself refuses all, and a file without a mistake has nothing to say.
        for text in [POOL.to_owned() + &CLASS.replace("rate", "raet"), POOL.to_owned() + CLASS] {
            let outcome = set.read(manifest::parse("test.yaml", &text));
            assert_eq!(outcome.partly_accepted, [], "{text}");
        }
    }

    #[test]
    fn a_burst_that_is_too_small_for_its_rate_is_noted_and_accepted() {
        let mut set = accepted();
        let small = CLASS.replace("rate: 16Ki/s", "ceil: 2M/s, cburst: '1'");
        let outcome = set.read(manifest::parse("test.yaml", &(POOL.replace("64Ki/s", "4M/s") + &small)));
        assert_eq!(outcome.refused, Vec::<String>::new());
        assert_eq!(
            outcome.noted,
            [
                "test.yaml:3: EntropyClass c: spec.cburst: 1 is less than the 2000 bytes that a ceil of 2M/s brings in 1 ms, so \
              the ceil may not be reached: write at least 2k, or omit it"
            ]
        );
    }

    #[test]
    fn an_invalid_manifest_changes_nothing() {
        let mut set = accepted();
        let before = Arc::clone(set.config());
        for text in ["", "not: a: manifest", &(POOL.replace("64", "32") + &CLASS.replace("rate", "raet"))] {
            assert!(!read(&mut set, text).is_empty(), "{text}");
            assert_eq!(*set.config(), before, "{text}");
        }
    }

    #[test]
    fn a_generation_counts_only_changes_of_the_spec() {
        let mut set = accepted();
        let generation = |set: &ManifestSet| set.classes["c"].metadata.generation;
        read(&mut set, &(POOL.to_owned() + CLASS));
        assert_eq!(generation(&set), Some(1));
        read(&mut set, &(POOL.to_owned() + &CLASS.replace("16", "17")));
        assert_eq!(generation(&set), Some(2));
    }

    #[test]
    fn a_restored_set_continues_where_it_was() {
        let before = accepted();
        let mut set = ManifestSet::new([]).restore(before.specs());
        assert_eq!(set.config(), before.config());
        let refused = read(&mut set, &(POOL.to_owned() + &CLASS.replace("16Ki/s", "65Ki/s")));
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(set.config(), before.config());
        assert_eq!(set.specs(), before.specs());
    }
}
