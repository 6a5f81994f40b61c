//! A cluster with a history, in a few lines of YAML.

use std::fmt;

use api::manifest::Object;
use api::{EntropyClass, EntropyPool, Reason};
use plan::{Aggregate, ClusterNode, ClusterSnapshot, Labels, Plan, plan};

/// Objects, nodes and namespaces, with the specs accepted so far.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) snapshot: ClusterSnapshot,
}

impl Cluster {
    /// One node `host` and the namespaces `shop` and `blog`.
    pub(crate) fn host() -> Self {
        Self { snapshot: ClusterSnapshot::of_host("host", Vec::new(), Vec::new(), ["shop", "blog"]) }
    }

    /// A cluster of nodes with these labels, and no namespace.
    pub(crate) fn of_nodes<const N: usize>(nodes: [(&str, &[(&str, &str)]); N]) -> Self {
        let node = |(name, labels): (&str, &[(&str, &str)])| {
            (name.to_owned(), ClusterNode { labels: owned(labels) })
        };
        let nodes = nodes.into_iter().map(node).collect();
        Self { snapshot: ClusterSnapshot { nodes, ..ClusterSnapshot::default() } }
    }

    pub(crate) fn namespace(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        self.snapshot.namespaces.insert(name.to_owned(), owned(labels));
        self
    }

    /// Writes objects, one a line as `KIND NAME: SPEC`, such as `pool default: {rate: 1Ki/s}`. As in a real
    /// cluster, an object keeps its accepted spec, and its generation grows.
    pub(crate) fn write(mut self, lines: &str) -> Self {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match object(line) {
                Object::Pool(pool) => put_pool(&mut self.snapshot.pools, *pool),
                Object::Class(class) => put_class(&mut self.snapshot.classes, *class),
            }
        }
        self
    }

    pub(crate) fn delete(mut self, name: &str) -> Self {
        self.snapshot.pools.retain(|pool| pool.metadata.name.as_deref() != Some(name));
        self.snapshot.classes.retain(|class| class.metadata.name.as_deref() != Some(name));
        self
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.snapshot)
    }

    /// Writes the objects' status, with the specs that the plan accepts, as a controller does.
    pub(crate) fn accept(mut self) -> Self {
        let plan = self.plan();
        for pool in &mut self.snapshot.pools {
            pool.status =
                Some(plan.pools[pool.metadata.name.as_ref().unwrap()].status(&Aggregate::default()));
        }
        for class in &mut self.snapshot.classes {
            class.status =
                Some(plan.classes[class.metadata.name.as_ref().unwrap()].status(&Aggregate::default(), None));
        }
        self
    }

    /// Every refused edit and every standing problem.
    pub(crate) fn messages(&self) -> Vec<String> {
        let plan = self.plan();
        let standing = plan.standing_problems().map(|problem| format!("{problem} (standing)"));
        plan.rejections().map(ToString::to_string).chain(standing).collect()
    }

    /// The object, the reason and the field of every refused edit.
    pub(crate) fn reasons(&self) -> Vec<(String, Reason, String)> {
        let plan = self.plan();
        plan.rejections().map(|it| (it.name.clone(), it.reason, it.field.clone())).collect()
    }
}

/// Short enough to read when a test of a generated cluster fails.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pool in &self.snapshot.pools {
            let (name, accepted) = (pool.metadata.name.as_ref(), pool.status.as_ref().map(|it| &it.accepted));
            writeln!(f, "pool {name:?}: {}\n  accepted: {}", json(&pool.spec), json(&accepted))?;
        }
        for class in &self.snapshot.classes {
            let (name, accepted) =
                (class.metadata.name.as_ref(), class.status.as_ref().map(|it| &it.accepted));
            writeln!(f, "class {name:?}: {}\n  accepted: {}", json(&class.spec), json(&accepted))?;
        }
        Ok(())
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// The schema's own rules are not applied: the plan must refuse the same specs without them.
fn object(line: &str) -> Object {
    let (head, spec) = line.split_once(": ").unwrap();
    let (kind, name) = head.split_once(' ').unwrap();
    if kind == "pool" {
        Object::Pool(Box::new(EntropyPool::new(name, serde_yaml::from_str(spec).expect(line))))
    } else {
        Object::Class(Box::new(EntropyClass::new(name, serde_yaml::from_str(spec).expect(line))))
    }
}

fn put_pool(pools: &mut Vec<EntropyPool>, mut new: EntropyPool) {
    let before = pools.iter().position(|pool| pool.metadata.name == new.metadata.name);
    let before = before.map(|index| pools.remove(index));
    new.metadata.generation = Some(before.as_ref().and_then(|it| it.metadata.generation).unwrap_or(0) + 1);
    new.status = before.and_then(|it| it.status);
    pools.push(new);
}

fn put_class(classes: &mut Vec<EntropyClass>, mut new: EntropyClass) {
    let before = classes.iter().position(|class| class.metadata.name == new.metadata.name);
    let before = before.map(|index| classes.remove(index));
    new.metadata.generation = Some(before.as_ref().and_then(|it| it.metadata.generation).unwrap_or(0) + 1);
    new.status = before.and_then(|it| it.status);
    classes.push(new);
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
