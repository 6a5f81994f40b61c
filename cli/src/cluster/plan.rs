//! `plan`: what manifests would change on a cluster's nodes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::plan::{ClusterSnapshot, Plan, Rejection};
use anyhow::{Result, bail};
use api::manifest::{self, Located, Object, Problem};
use kube::{Client, Resource};

use super::objects;
use crate::args::Format;
use crate::diff::{self, ManifestDiff};
use crate::output;

/// Prints what would change, and fails if something would be refused.
pub(super) async fn plan(client: &Client, files: &[PathBuf], format: Format) -> Result<()> {
    let manifest = agent::read_manifests(files);
    let before = objects::snapshot(client).await?;
    let problems = problems(&before, &manifest.problems, &manifest.objects);
    let diff = if problems.is_empty() {
        planned(&before, &applied(before.clone(), manifest.objects))
    } else {
        ManifestDiff {
            refused: problems.iter().map(ToString::to_string).collect(),
            ..ManifestDiff::default()
        }
    };
    match format {
        Format::Table => output::print(&diff::table(&diff))?,
        Format::Json => output::print_json(&diff)?,
    }
    match diff.refused.len() {
        0 => Ok(()),
        1 => bail!("one edit would be refused"),
        several => bail!("{several} edits would be refused"),
    }
}

/// What is wrong with the manifests alone, and as edits of the existing objects.
fn problems(before: &ClusterSnapshot, problems: &[Problem], objects: &[Located]) -> Vec<Problem> {
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

/// The snapshot after the objects were applied. Other objects stay.
fn applied(mut snapshot: ClusterSnapshot, objects: Vec<Located>) -> ClusterSnapshot {
    for located in objects {
        match located.object {
            Object::Pool(new) => put(&mut snapshot.pools, *new, |pool| &mut pool.spec),
            Object::Class(new) => put(&mut snapshot.classes, *new, |class| &mut class.spec),
        }
    }
    snapshot
}

/// As in the API server, a changed spec increments the generation.
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

/// The change that the controller would distribute. Problems that exist already are left out.
fn planned(before: &ClusterSnapshot, after: &ClusterSnapshot) -> ManifestDiff {
    let (old, new) = (::plan::plan(before), ::plan::plan(after));
    let nodes =
        new.nodes.iter().filter_map(|(node, config)| Some((&**node, &**old.nodes.get(node)?, &**config)));
    let mut diff = ManifestDiff::of(nodes);
    diff.refused = new_sentences(old.rejections(), new.rejections());
    diff.noted = new_sentences(
        old.standing_problems().chain(old.warnings()),
        new.standing_problems().chain(new.warnings()),
    );
    if new.nodes.is_empty() {
        diff.noted.push(no_agents(&new));
    }
    diff
}

fn new_sentences<'a>(
    old: impl Iterator<Item = &'a Rejection>,
    new: impl Iterator<Item = &'a Rejection>,
) -> Vec<String> {
    let old: BTreeSet<_> = old.map(ToString::to_string).collect();
    new.map(ToString::to_string).filter(|sentence| !old.contains(sentence)).collect()
}

fn no_agents(plan: &Plan) -> String {
    let (pools, classes) = (plan.pools.len(), plan.classes.len());
    format!(
        "no node has an agent, so {pools} pools and {classes} classes are served nowhere: see `kubectl get nodes -L entropool.io/agent`"
    )
}
