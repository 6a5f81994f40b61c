//! `uninstall`: whether anything still uses entropool, and the removal of what no chart knows of.

use anyhow::{Error, Result};
use kube::Client;
use serde_json::json;
use uninstall::{Options, Removed, UninstallError};

use super::api_error::ApiError;
use super::args::{ClusterGlobal, UninstallArgs};
use super::confirm;
use crate::output;

/// Does it with the caller's own rights, and needs no image.
pub(super) async fn uninstall(client: &Client, global: &ClusterGlobal, args: &UninstallArgs) -> Result<()> {
    let namespace = &*global.system_namespace;
    if args.check {
        let usage = uninstall::read_usage(client).await.map_err(error)?;
        return if usage.is_empty() {
            output::print_line("Nothing uses entropool: it can be uninstalled.")
        } else {
            Err(error(UninstallError::InUse(usage)))
        };
    }
    confirm::ask(
        args.yes,
        &format!(
            "This stops the controllers in namespace {namespace}, and removes what they wrote: the label and the slots of \
             all nodes, the Lease and the authority."
        ),
    )?;
    let told = |step: &str| eprintln!("kubectl entropool: {step}");
    let options = Options { namespace, force: args.force, hook: false };
    let removed = uninstall::run(client, options, told).await.map_err(error)?;
    let document = json!({
        "nodes": removed.nodes,
        "objects": removed.objects,
        "remaining": removed.remaining.as_ref().map(ToString::to_string),
    });
    output::show(global.output.plain(), &document, |_| report(&removed, namespace))
}

fn error(error: UninstallError) -> Error {
    match error {
        UninstallError::Api { call, source } => ApiError::new(call, *source).into(),
        other => other.into(),
    }
}

/// What is gone, what to do next, and what stays and why.
fn report(removed: &Removed, namespace: &str) -> String {
    let Removed { nodes, objects, remaining } = removed;
    let objects = if objects.is_empty() { "nothing else".to_owned() } else { objects.join(", ") };
    let staying = match remaining {
        None => String::new(),
        Some(usage) => format!(
            "\nStaying: {usage}. The DaemonSet entropool-remaining serves them until they end; keep namespace {namespace} \
             until then, and repeat `kubectl entropool uninstall`.\n"
        ),
    };
    format!(
        "Removed: the label and the slots of {nodes} nodes; {objects}.\n\
         \n\
         Now delete the chart's objects, with one of\n\
         \x20 helm uninstall RELEASE --namespace {namespace} --no-hooks\n\
         \x20 kubectl delete -f MANIFESTS\n\
         {staying}\
         \n\
         What is left then: the kinds with all pools and classes, unless crds.keep is false; and on each node the directories \
         of sockets and state, since nothing of entropool runs there any more: remove /run/entropool, /var/lib/entropool and \
         /var/lib/kubelet/plugins/csi.entropool.io.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_says_what_is_next() {
        let removed =
            Removed { nodes: 3, objects: vec!["Lease entropool-controller".into()], remaining: None };
        insta::assert_snapshot!(report(&removed, "entropool-system"));
    }
}
