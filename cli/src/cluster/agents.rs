//! Calls of the nodes' agents by port-forward.

use anyhow::{Result, anyhow};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::api_error::ApiError;
use crate::client::DaemonClient;

/// The port of the local API on the loopback interface of an agent's pod.
const PORT: u16 = 9091;
/// The labels of the agents' pods in the chart.
const LABELS: &str = "app.kubernetes.io/name=entropool,app.kubernetes.io/component=agent";
const CONCURRENT_CALLS: usize = 16;

pub(super) struct Agents {
    api: Api<Pod>,
    namespace: String,
    pods: Vec<RunningAgent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunningAgent {
    pub(super) node: String,
    name: String,
    ready: bool,
}

/// The result of calling the agent of one node.
pub(super) struct AgentResponse<T> {
    pub(super) node: String,
    pub(super) response: Result<T>,
}

impl Agents {
    /// Finds the agents of some nodes, or of all if none is named.
    pub(super) async fn find(client: &Client, namespace: &str, nodes: &[String]) -> Result<Self> {
        let api = Api::<Pod>::namespaced(client.clone(), namespace);
        let found = api.list(&ListParams::default().labels(LABELS)).await.map_err(|error| {
            ApiError::new(format!("list the agents' pods in namespace {namespace}"), error)
        })?;
        let mut pods = one_per_node(found.items.iter().filter_map(agent_pod).collect());
        if let Some(missing) = nodes.iter().find(|node| !pods.iter().any(|pod| pod.node == **node)) {
            return Err(no_agent(missing, namespace));
        }
        pods.retain(|pod| nodes.is_empty() || nodes.contains(&pod.node));
        Ok(Self { api, namespace: namespace.to_owned(), pods })
    }

    /// An error if there are none.
    pub(super) fn check_not_empty(&self) -> Result<()> {
        let namespace = &self.namespace;
        if self.pods.is_empty() {
            return Err(anyhow!(
                "there are no agents in namespace {namespace}: install the chart, or name its namespace with \
                 --system-namespace"
            ));
        }
        Ok(())
    }

    pub(super) async fn connect_to(&self, node: &str) -> Result<DaemonClient> {
        let pod = self.pods.iter().find(|pod| pod.node == node);
        self.connect(pod.ok_or_else(|| no_agent(node, &self.namespace))?).await
    }

    /// Calls all agents; the responses are in the order of the nodes.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFn(DaemonClient) -> Result<T>,
    ) -> Vec<AgentResponse<T>> {
        let calls = self.pods.iter().map(async |pod| {
            let response = match self.connect(pod).await {
                Ok(daemon) => call(daemon).await,
                Err(error) => Err(error),
            };
            AgentResponse { node: pod.node.clone(), response }
        });
        stream::iter(calls).buffered(CONCURRENT_CALLS).collect().await
    }

    async fn connect(&self, pod: &RunningAgent) -> Result<DaemonClient> {
        let name = &pod.name;
        let call = format!("forward a port of pod {name} in namespace {}", self.namespace);
        let mut forwarder =
            self.api.portforward(name, &[PORT]).await.map_err(|error| ApiError::new(&*call, error))?;
        let stream = forwarder.take_stream(PORT).expect("the port is forwarded and its stream not taken");
        let kubelet_error = forwarder.take_error(PORT);
        match DaemonClient::over(stream, &format!("port {PORT} of pod {name}")).await {
            Ok(daemon) => Ok(daemon),
            // The kubelet's error says more than that the stream closed.
            Err(error) => match async { kubelet_error?.await }.await {
                Some(reason) => Err(anyhow!("cannot {call}: {}", reason.trim())),
                None => Err(error.into()),
            },
        }
    }
}

fn no_agent(node: &str, namespace: &str) -> anyhow::Error {
    anyhow!(
        "node {node} has no agent in namespace {namespace}: see `kubectl get pods -n {namespace} -o wide`"
    )
}

fn agent_pod(pod: &Pod) -> Option<RunningAgent> {
    let status = pod.status.as_ref()?;
    let running = status.phase.as_deref() == Some("Running") && pod.metadata.deletion_timestamp.is_none();
    let ready = status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    let node = pod.spec.as_ref()?.node_name.clone()?;
    running.then(|| RunningAgent { node, name: pod.name_any(), ready })
}

/// During an upgrade a node has two agents; the ready one serves.
fn one_per_node(mut pods: Vec<RunningAgent>) -> Vec<RunningAgent> {
    pods.sort_by(|a, b| (&a.node, b.ready, &a.name).cmp(&(&b.node, a.ready, &b.name)));
    pods.dedup_by(|a, b| a.node == b.node);
    pods
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(node: &str, name: &str, ready: bool) -> RunningAgent {
        RunningAgent { node: node.to_owned(), name: name.to_owned(), ready }
    }

    #[test]
    fn ready_agent_of_a_node_is_preferred() {
        let pods = vec![pod("n2", "c", true), pod("n1", "a", false), pod("n1", "b", true)];
        assert_eq!(one_per_node(pods), [pod("n1", "b", true), pod("n2", "c", true)]);
    }

    #[test]
    fn unready_agent_is_better_than_none() {
        assert_eq!(one_per_node(vec![pod("n1", "a", false)]), [pod("n1", "a", false)]);
    }
}
