//! `plan`: what applying manifests would change on a cluster's nodes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::plan::{Plan, Rejection, Snapshot};
use anyhow::{Result, bail};
use api::manifest::{self, Located, Object, Problem};
use kube::{Client, Resource};

use super::objects;
use crate::args::Format;
use crate::diff::{self, ManifestDiff};
use crate::output;

/// Prints what would change; it is a failure if anything would be refused.
pub(super) async fn plan(client: &Client, files: &[PathBuf], format: Format) -> Result<()> {
    let manifest = agent::read_manifests(files);
    let before = objects::snapshot(client).await?;
    let problems = problems(&before, &manifest.problems, &manifest.objects);
    let edit = if problems.is_empty() {
        planned(&before, &applied(before.clone(), manifest.objects))
    } else {
        ManifestDiff {
            refused: problems.iter().map(ToString::to_string).collect(),
            ..ManifestDiff::default()
        }
    };
    match format {
        Format::Table => output::text(&diff::table(&edit))?,
        Format::Json => output::json(&edit)?,
    }
    match edit.refused.len() {
        0 => Ok(()),
        1 => bail!("one thing would be refused"),
        several => bail!("{several} things would be refused"),
    }
}

/// What is wrong with the manifests by themselves, and as edits of what there is.
fn problems(before: &Snapshot, problems: &[Problem], objects: &[Located]) -> Vec<Problem> {
    let of_edits = objects.iter().filter_map(|located| {
        let class =
            before.classes.iter().find(|class| is_named(class.metadata.name.as_ref(), &located.object));
        let old = class.filter(|_| matches!(located.object, Object::Class(_)))?;
        Some(manifest::transition(&Object::Class(Box::new(old.clone())), located))
    });
    problems.iter().cloned().chain(of_edits.flatten()).collect()
}

fn is_named(name: Option<&String>, object: &Object) -> bool {
    name.is_some_and(|name| *name == object.name())
}

/// The snapshot once the objects were applied. What is not among them stays.
fn applied(mut snapshot: Snapshot, objects: Vec<Located>) -> Snapshot {
    for located in objects {
        match located.object {
            Object::Pool(new) => put(&mut snapshot.pools, *new, |pool| &mut pool.spec),
            Object::Class(new) => put(&mut snapshot.classes, *new, |class| &mut class.spec),
        }
    }
    snapshot
}

/// As the API server does it: a spec that is another one is another generation.
fn put<K: Resource, S: PartialEq>(all: &mut Vec<K>, mut new: K, spec: fn(&mut K) -> &mut S) {
    let Some(old) = all.iter_mut().find(|it| it.meta().name == new.meta().name) else {
        all.push(new);
        return;
    };
    if spec(old) != spec(&mut new) {
        std::mem::swap(spec(old), spec(&mut new));
        old.meta_mut().generation = old.meta().generation.map(|generation| generation + 1);
    }
}

/// The difference that the controller would make of it. What is wrong already is not the edit's doing.
fn planned(before: &Snapshot, after: &Snapshot) -> ManifestDiff {
    let (old, new) = (::plan::plan(before), ::plan::plan(after));
    let nodes =
        new.nodes.iter().filter_map(|(node, config)| Some((&**node, &**old.nodes.get(node)?, &**config)));
    let mut edit = ManifestDiff::of(nodes);
    edit.refused = fresh(old.refusals(), new.refusals());
    edit.noted = fresh(old.standing(), new.standing());
    if new.nodes.is_empty() {
        edit.noted.push(nobody(&new));
    }
    edit
}

fn fresh<'a>(
    old: impl Iterator<Item = &'a Rejection>,
    new: impl Iterator<Item = &'a Rejection>,
) -> Vec<String> {
    let old: BTreeSet<_> = old.map(ToString::to_string).collect();
    new.map(ToString::to_string).filter(|sentence| !old.contains(sentence)).collect()
}

fn nobody(plan: &Plan) -> String {
    let (pools, classes) = (plan.pools.len(), plan.classes.len());
    format!(
        "no node has an agent, so nothing serves these {pools} pools and {classes} classes: see `kubectl get nodes -L entropool.io/agent`"
    )
}
