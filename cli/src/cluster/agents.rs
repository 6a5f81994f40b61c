//! The nodes' agents, asked by port-forward.

use anyhow::{Context, Result, anyhow};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::client::DaemonClient;

/// Where an agent answers the local API, on its pod's loopback interface.
const PORT: u16 = 9091;
/// The chart's labels of the agents' pods.
const LABELS: &str = "app.kubernetes.io/name=entropool,app.kubernetes.io/component=agent";
/// Agents that are asked at once.
const AT_ONCE: usize = 16;

/// The agents there are.
pub(super) struct Agents {
    api: Api<Pod>,
    namespace: String,
    pods: Vec<AgentPod>,
}

/// The pod of a node's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AgentPod {
    pub(super) node: String,
    name: String,
    ready: bool,
}

/// What came of asking one.
pub(super) struct AgentAnswers<T> {
    pub(super) node: String,
    pub(super) answer: Result<T>,
}

impl Agents {
    /// Looks for them; of the nodes that are named, or of all.
    pub(super) async fn find(client: &Client, namespace: &str, nodes: &[String]) -> Result<Self> {
        let api = Api::<Pod>::namespaced(client.clone(), namespace);
        let found = api
            .list(&ListParams::default().labels(LABELS))
            .await
            .with_context(|| format!("cannot list the agents' pods in namespace {namespace}"))?;
        let mut pods = one_a_node(found.items.iter().filter_map(agent_pod).collect());
        if let Some(missing) = nodes.iter().find(|node| !pods.iter().any(|pod| pod.node == **node)) {
            return Err(anyhow!("node {missing} has no agent in namespace {namespace}"));
        }
        pods.retain(|pod| nodes.is_empty() || nodes.contains(&pod.node));
        Ok(Self { api, namespace: namespace.to_owned(), pods })
    }

    /// Whether there are any, as a sentence if not.
    pub(super) fn some(&self) -> Result<()> {
        let namespace = &self.namespace;
        if self.pods.is_empty() {
            return Err(anyhow!(
                "there are no agents in namespace {namespace}: install the chart, or name its namespace with \
                 --system-namespace"
            ));
        }
        Ok(())
    }

    /// Connects to the agent of one node.
    pub(super) async fn of(&self, node: &str) -> Result<DaemonClient> {
        let pod = self.pods.iter().find(|pod| pod.node == node);
        self.connect(
            pod.with_context(|| format!("node {node} has no agent in namespace {}", self.namespace))?,
        )
        .await
    }

    /// Asks all of them the same; answers come in the order of the nodes.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFn(DaemonClient) -> Result<T>,
    ) -> Vec<AgentAnswers<T>> {
        let asked = self.pods.iter().map(async |pod| {
            let answer = match self.connect(pod).await {
                Ok(daemon) => question(daemon).await,
                Err(error) => Err(error),
            };
            AgentAnswers { node: pod.node.clone(), answer }
        });
        stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    async fn connect(&self, pod: &AgentPod) -> Result<DaemonClient> {
        let name = &pod.name;
        let unreachable =
            || format!("pod {name} of namespace {} cannot be reached by port-forward", self.namespace);
        let mut forwarder = self.api.portforward(name, &[PORT]).await.with_context(unreachable)?;
        let stream = forwarder.take_stream(PORT).context("a port is forwarded once")?;
        let refused = forwarder.take_error(PORT);
        match DaemonClient::over(stream, &format!("port {PORT} of pod {name}")).await {
            Ok(daemon) => Ok(daemon),
            // The kubelet's reason says more than that the stream ended.
            Err(error) => match async { refused?.await }.await {
                Some(reason) => Err(anyhow!(reason).context(unreachable())),
                None => Err(error.into()),
            },
        }
    }
}

fn agent_pod(pod: &Pod) -> Option<AgentPod> {
    let status = pod.status.as_ref()?;
    let running = status.phase.as_deref() == Some("Running") && pod.metadata.deletion_timestamp.is_none();
    let ready = status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    let node = pod.spec.as_ref()?.node_name.clone()?;
    running.then(|| AgentPod { node, name: pod.name_any(), ready })
}

/// During an upgrade a node has two; the one that is ready serves.
fn one_a_node(mut pods: Vec<AgentPod>) -> Vec<AgentPod> {
    pods.sort_by(|a, b| (&a.node, b.ready, &a.name).cmp(&(&b.node, a.ready, &b.name)));
    pods.dedup_by(|a, b| a.node == b.node);
    pods
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(node: &str, name: &str, ready: bool) -> AgentPod {
        AgentPod { node: node.to_owned(), name: name.to_owned(), ready }
    }

    #[test]
    fn of_two_agents_of_a_node_the_ready_one_is_asked() {
        let pods = vec![pod("n2", "c", true), pod("n1", "a", false), pod("n1", "b", true)];
        assert_eq!(one_a_node(pods), [pod("n1", "b", true), pod("n2", "c", true)]);
    }

    #[test]
    fn an_agent_that_is_not_ready_is_better_than_none() {
        assert_eq!(one_a_node(vec![pod("n1", "a", false)]), [pod("n1", "a", false)]);
    }
}
