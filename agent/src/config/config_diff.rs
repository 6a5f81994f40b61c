//! The differences between two configurations, for the log and for `entropool plan`.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use delivery::{BytesPerDay, ClassConfig, NodeConfig, PoolConfig, Shape};

/// A pool or class that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    pub pool: String,
    /// `None` for the pool itself.
    pub class: Option<String>,
    pub what: ChangedPart,
}

/// How it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedPart {
    Added,
    Removed,
    /// As `rate 64Ki/s -> 32Ki/s`.
    Changed(Vec<String>),
}

impl ChangedPart {
    /// The fields that differ, as `rate 64Ki/s -> 32Ki/s`; none for what was added or removed.
    pub fn fields(self) -> Vec<String> {
        match self {
            Self::Added | Self::Removed => Vec::new(),
            Self::Changed(fields) => fields,
        }
    }
}

impl Display for ChangedPart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("added"),
            Self::Removed => f.write_str("removed"),
            Self::Changed(fields) => f.write_str(&fields.join(", ")),
        }
    }
}

/// All differences, sorted by pool, each pool before its classes.
pub fn config_changes(old: &NodeConfig, new: &NodeConfig) -> Vec<ConfigChange> {
    let mut changes = Vec::new();
    for (name, (old, new)) in pairs(&old.pools, &new.pools, |pool| &pool.name) {
        let what = match (old, new) {
            (Some(old), Some(new)) => pool(old, new),
            (None, _) => Some(ChangedPart::Added),
            (_, None) => Some(ChangedPart::Removed),
        };
        changes.extend(what.map(|what| ConfigChange { pool: name.to_owned(), class: None, what }));
        if let (Some(old), Some(new)) = (old, new) {
            changes.extend(classes(name, old, new));
        }
    }
    changes
}

fn classes(pool: &str, old: &PoolConfig, new: &PoolConfig) -> Vec<ConfigChange> {
    let pairs = pairs(&old.classes, &new.classes, |class| &class.name);
    let change = |(name, pair): (&str, _)| {
        let what = match pair {
            (Some(old), Some(new)) => class(old, new)?,
            (None, _) => ChangedPart::Added,
            (_, None) => ChangedPart::Removed,
        };
        Some(ConfigChange { pool: pool.to_owned(), class: Some(name.to_owned()), what })
    };
    pairs.into_iter().filter_map(change).collect()
}

type Pairs<'a, T> = BTreeMap<&'a str, (Option<&'a T>, Option<&'a T>)>;

/// Old and new by name.
fn pairs<'a, T>(old: &'a [T], new: &'a [T], name: impl Fn(&T) -> &str) -> Pairs<'a, T>
where
    T: 'a,
{
    let mut pairs = Pairs::new();
    for item in old {
        pairs.entry(name(item)).or_default().0 = Some(item);
    }
    for item in new {
        pairs.entry(name(item)).or_default().1 = Some(item);
    }
    pairs
}

fn pool(old: &PoolConfig, new: &PoolConfig) -> Option<ChangedPart> {
    let mut fields = Fields::default();
    fields.shape("", old.shape, new.shape);
    fields.plain("defaultClass", &old.default_class, &new.default_class);
    fields.opaque("sources", &old.sources, &new.sources);
    fields.opaque("output", &old.output, &new.output);
    fields.opaque("minHealthySources", &old.min_healthy_sources, &new.min_healthy_sources);
    fields.opaque("onSourceFailure", &old.on_source_failure, &new.on_source_failure);
    fields.opaque("allowedNamespaces", &old.namespaces, &new.namespaces);
    fields.changed_part()
}

fn class(old: &ClassConfig, new: &ClassConfig) -> Option<ChangedPart> {
    let mut fields = Fields::default();
    fields.optional("parent", old.parent.as_ref(), new.parent.as_ref());
    fields.shape("", old.shape, new.shape);
    fields.plain("prio", &old.prio, &new.prio);
    fields.plain("weight", &old.weight, &new.weight);
    fields.shape("perVM.", old.per_vm, new.per_vm);
    fields.plain("perVM.maxConnections", &old.max_connections, &new.max_connections);
    fields.opaque("perNamespace", &old.per_namespace, &new.per_namespace);
    fields.optional("maxVMs", old.max_vms.as_ref(), new.max_vms.as_ref());
    fields.opaque("admission", &old.admission, &new.admission);
    fields.opaque("fairness", &old.fairness, &new.fairness);
    fields.plain("allowDegraded", &old.allow_degraded, &new.allow_degraded);
    fields.opaque("allowedNamespaces", &old.namespaces, &new.namespaces);
    fields.changed_part()
}

/// The fields that differ.
#[derive(Default)]
struct Fields(Vec<String>);

impl Fields {
    fn plain<T: Display + PartialEq>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{name} {old} -> {new}"));
        }
    }

    fn optional<T: Display + PartialEq>(&mut self, name: &str, old: Option<&T>, new: Option<&T>) {
        let text = |value: Option<&T>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
        self.plain(name, &text(old), &text(new));
    }

    /// A field without a short notation is only named.
    fn opaque<T: PartialEq>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(name.to_owned());
        }
    }

    fn shape(&mut self, of: &str, old: Shape, new: Shape) {
        let rate = |rate: BytesPerDay| api::Rate::from_bytes_per_day(rate.0).to_string();
        self.plain(&format!("{of}rate"), &rate(old.rate), &rate(new.rate));
        self.plain(&format!("{of}ceil"), &rate(old.ceil), &rate(new.ceil));
        let size = |bytes| api::Size::from_bytes(bytes).to_string();
        self.plain(&format!("{of}burst"), &size(old.burst), &size(new.burst));
        self.plain(&format!("{of}cburst"), &size(old.cburst), &size(new.cburst));
    }

    fn changed_part(self) -> Option<ChangedPart> {
        if self.0.is_empty() { None } else { Some(ChangedPart::Changed(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::manifests::ManifestSet;
    use super::*;

    fn config(text: &str) -> NodeConfig {
        let mut manifests = ManifestSet::new([]);
        let outcome = manifests.read(api::manifest::parse("test.yaml", text));
        assert_eq!(outcome.refused, Vec::<String>::new());
        NodeConfig::clone(manifests.config())
    }

    fn diff(old: &str, new: &str) -> Vec<String> {
        let line = |change: ConfigChange| {
            format!("{}/{}: {}", change.pool, change.class.as_deref().unwrap_or("-"), change.what)
        };
        config_changes(&config(old), &config(new)).into_iter().map(line).collect()
    }

    const POOL: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: p}, \
                        spec: {rate: 64Ki/s}}\n---\n";
    const CLASS: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: c}, \
                         spec: {pool: p, rate: 16Ki/s, perVM: {rate: 1Ki/s}}}";

    #[test]
    fn the_same_configuration_changes_nothing() {
        let text = POOL.to_owned() + CLASS;
        assert_eq!(diff(&text, &text), Vec::<String>::new());
    }

    #[test]
    fn a_class_is_added_changed_and_removed() {
        let with = POOL.to_owned() + CLASS;
        let other =
            with.replace("rate: 1Ki/s", "rate: 2Ki/s").replace("spec: {pool", "spec: {weight: 300, pool");
        assert_eq!(diff(POOL, &with), ["p/c: added"]);
        assert_eq!(diff(&with, POOL), ["p/c: removed"]);
        assert_eq!(
            diff(&with, &other),
            ["p/c: weight 100 -> 300, perVM.rate 1Ki/s -> 2Ki/s, maxVMs 16 -> 8"]
        );
    }

    #[test]
    fn a_pool_is_listed_before_its_classes() {
        let old = POOL.to_owned() + CLASS;
        let new = old.replace("64Ki/s", "128Ki/s");
        let lines = diff(&old, &new);
        assert!(lines[0].starts_with("p/-: rate 64Ki/s -> 128Ki/s"), "{lines:?}");
        assert!(lines[2].starts_with("p/c: ceil 64Ki/s -> 128Ki/s"), "{lines:?}");
    }
}
