//! The nodes' agents: killed, taken away, let back.

use anyhow::Result;
use entropool_tests::cluster::Kubernetes;

const SYSTEM: &str = "-n entropool-system";
/// Ends the process that serves, which is the child of the container's first.
const CRASHES: &str = "kill -KILL $(pgrep -P $(pgrep -o -x entropool-agent))";

/// Kills the agent of a node, which its first process starts anew.
pub(crate) fn crash(cluster: &Kubernetes, node: &str) -> Result<()> {
    cluster.on(node, &["sh", "-c", CRASHES]).map(drop)
}

/// Takes the agent off every node but one, or off every node.
pub(crate) fn only_on(cluster: &Kubernetes, node: Option<&str>) -> Result<()> {
    let node = node.unwrap_or("nowhere");
    select(cluster, &format!(r#"{{"kubernetes.io/hostname":"{node}"}}"#))?;
    let listed = format!(
        "{SYSTEM} get pods -l app.kubernetes.io/component=agent -o jsonpath={{.items[*].spec.nodeName}}"
    );
    let elsewhere = |listed: &str| listed.split_whitespace().any(|name| name != node);
    cluster.until("no other agent", |cluster| Ok((!elsewhere(&cluster.said(&listed)?)).then_some(())))
}

/// Lets it back onto every node.
pub(crate) fn everywhere(cluster: &Kubernetes) -> Result<()> {
    select(cluster, "null")?;
    rolled_out(cluster)
}

/// Waits until every node has the agent that it is to have.
pub(crate) fn rolled_out(cluster: &Kubernetes) -> Result<()> {
    cluster.said(&format!("{SYSTEM} rollout status daemonset/entropool-agent --timeout=120s")).map(drop)
}

/// Replaces all of them, as an upgrade does.
pub(crate) fn restart(cluster: &Kubernetes) -> Result<()> {
    cluster.said(&format!("{SYSTEM} rollout restart daemonset/entropool-agent"))?;
    rolled_out(cluster)
}

fn select(cluster: &Kubernetes, labels: &str) -> Result<()> {
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"nodeSelector":{labels}}}}}}}}}"#);
    cluster.said(&format!("{SYSTEM} patch daemonset entropool-agent --type=merge -p {patch}")).map(drop)
}
