//! What a new configuration changes, for the log.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use delivery::{ClassConfig, NodeConfig, PoolConfig, Shape};

use api::Rate;

/// One pool or class that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigChange {
    pub(crate) pool: String,
    /// `None` is the pool itself.
    pub(crate) class: Option<String>,
    pub(crate) what: ChangedPart,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangedPart {
    Added,
    Removed,
    /// As `rate 64Ki/s -> 32Ki/s`.
    Changed(Vec<String>),
}

impl ChangedPart {
    /// What is otherwise; nothing for what comes or goes.
    pub(crate) fn fields(self) -> Vec<String> {
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

/// Everything that differs, pools by name, each before its classes.
pub(crate) fn changes(old: &NodeConfig, new: &NodeConfig) -> Vec<ConfigChange> {
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
    fields.what()
}

fn class(old: &ClassConfig, new: &ClassConfig) -> Option<ChangedPart> {
    let mut fields = Fields::default();
    fields.optional("parent", old.parent.as_ref(), new.parent.as_ref());
    fields.shape("", old.shape, new.shape);
    fields.plain("prio", &old.prio, &new.prio);
    fields.plain("weight", &old.weight, &new.weight);
    fields.shape("perVM.", old.per_vm, new.per_vm);
    fields.opaque("perNamespace", &old.per_namespace, &new.per_namespace);
    fields.optional("maxVMs", old.max_vms.as_ref(), new.max_vms.as_ref());
    fields.opaque("admission", &old.admission, &new.admission);
    fields.opaque("fairness", &old.fairness, &new.fairness);
    fields.plain("allowDegraded", &old.allow_degraded, &new.allow_degraded);
    fields.opaque("allowedNamespaces", &old.namespaces, &new.namespaces);
    fields.what()
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
        let spelled = |value: Option<&T>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
        self.plain(name, &spelled(old), &spelled(new));
    }

    /// What has no short spelling is only named.
    fn opaque<T: PartialEq>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(name.to_owned());
        }
    }

    fn shape(&mut self, of: &str, old: Shape, new: Shape) {
        self.plain(
            &format!("{of}rate"),
            &Rate::from_bytes_per_day(old.rate.0),
            &Rate::from_bytes_per_day(new.rate.0),
        );
        self.plain(
            &format!("{of}ceil"),
            &Rate::from_bytes_per_day(old.ceil.0),
            &Rate::from_bytes_per_day(new.ceil.0),
        );
        let size = |bytes| api::Size::from_bytes(bytes).to_string();
        self.plain(&format!("{of}burst"), &size(old.burst), &size(new.burst));
        self.plain(&format!("{of}cburst"), &size(old.cburst), &size(new.cburst));
    }

    fn what(self) -> Option<ChangedPart> {
        if self.0.is_empty() { None } else { Some(ChangedPart::Changed(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use agent::ManifestSet;

    fn config(text: &str) -> NodeConfig {
        let mut book = ManifestSet::new([]);
        let verdict = book.read(api::manifest::parse("test.yaml", text));
        assert_eq!(verdict.refused, Vec::<String>::new());
        NodeConfig::clone(book.config())
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        let line = |change: ConfigChange| {
            format!("{}/{}: {}", change.pool, change.class.as_deref().unwrap_or("-"), change.what)
        };
        changes(&config(old), &config(new)).into_iter().map(line).collect()
    }

    const POOL: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: p}, \
                        spec: {rate: 64Ki/s}}\n---\n";
    const CLASS: &str = "{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: c}, \
                         spec: {pool: p, rate: 16Ki/s, perVM: {rate: 1Ki/s}}}";

    #[test]
    fn the_same_configuration_changes_nothing() {
        let text = POOL.to_owned() + CLASS;
        assert_eq!(told(&text, &text), Vec::<String>::new());
    }

    #[test]
    fn a_class_comes_changes_and_goes() {
        let with = POOL.to_owned() + CLASS;
        let other =
            with.replace("rate: 1Ki/s", "rate: 2Ki/s").replace("spec: {pool", "spec: {weight: 300, pool");
        assert_eq!(told(POOL, &with), ["p/c: added"]);
        assert_eq!(told(&with, POOL), ["p/c: removed"]);
        assert_eq!(
            told(&with, &other),
            ["p/c: weight 100 -> 300, perVM.rate 1Ki/s -> 2Ki/s, maxVMs 16 -> 8"]
        );
    }

    #[test]
    fn a_pool_is_told_before_its_classes() {
        let old = POOL.to_owned() + CLASS;
        let new = old.replace("64Ki/s", "128Ki/s");
        let said = told(&old, &new);
        assert!(said[0].starts_with("p/-: rate 64Ki/s -> 128Ki/s"), "{said:?}");
        assert!(said[2].starts_with("p/c: ceil 64Ki/s -> 128Ki/s"), "{said:?}");
    }
}
