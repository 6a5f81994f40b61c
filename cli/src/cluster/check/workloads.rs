//! What the chart runs: Deployment, DaemonSet and their pods, and the controller's Service.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client, Error, ResourceExt};

use super::super::api_error::ApiError;
use crate::check::{CheckLevel, CheckResult, results};

const LABEL: &str = "app.kubernetes.io/name=entropool";
const COMPONENT: &str = "app.kubernetes.io/component";
/// The label of an EndpointSlice with its Service.
const SERVICE: &str = "kubernetes.io/service-name";

#[derive(Clone, Debug, Default)]
pub(super) struct Workloads {
    pub(super) controllers: Vec<Workload>,
    pub(super) agents: Vec<Workload>,
    pub(super) pods: Vec<Pod>,
    /// The controller's Services, and how many ready endpoints each has.
    pub(super) services: Vec<(String, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) wanted: i32,
    pub(super) ready: i32,
}

impl Workloads {
    pub(super) async fn read(client: &Client, namespace: &str) -> Result<Self, ApiError> {
        let error = |what: &str| {
            let call = format!("list {what} in namespace {namespace}");
            |error| ApiError::new(call, error)
        };
        let labelled = ListParams::default().labels(LABEL);
        let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
        let sets = Api::<DaemonSet>::namespaced(client.clone(), namespace);
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let (deployments, sets, pods, services) = tokio::join!(
            deployments.list(&labelled),
            sets.list(&labelled),
            pods.list(&labelled),
            services(client, namespace)
        );
        Ok(Self {
            controllers: deployments.map_err(error("deployments"))?.items.iter().map(deployment).collect(),
            agents: sets.map_err(error("daemonsets"))?.items.iter().map(daemon_set).collect(),
            pods: pods.map_err(error("pods"))?.items,
            services: services.map_err(error("endpointslices"))?,
        })
    }

    /// The checks of all of it.
    pub(super) fn check(&self, namespace: &str) -> Vec<CheckResult> {
        [
            results(
                "controller-pods",
                "every controller is ready",
                CheckLevel::Error,
                self.controller_problems(namespace),
            ),
            results(
                "service",
                "the Service has a ready controller",
                CheckLevel::Error,
                self.service_problems(namespace),
            ),
            results(
                "agent-pods",
                "every node that should run an agent does",
                CheckLevel::Error,
                self.agent_problems(namespace),
            ),
        ]
        .concat()
    }

    fn controller_problems(&self, namespace: &str) -> Vec<String> {
        let missing = format!(
            "there is no controller in namespace {namespace}: install the chart, or name its namespace with --system-namespace"
        );
        let stopped = |name: &str| {
            format!(
                "deployment {name} has no replicas, so nothing is planned: run `kubectl scale deployment {name} --replicas=2 -n \
                 {namespace}`"
            )
        };
        self.problems("controller", "deployment", &self.controllers, missing, stopped, namespace)
    }

    fn agent_problems(&self, namespace: &str) -> Vec<String> {
        let missing = format!(
            "there is no agent in namespace {namespace}: install the chart, or name its namespace with --system-namespace"
        );
        let nowhere = |name: &str| {
            format!(
                "daemonset {name} selects no node, so no VM gets a socket: see agent.nodeSelector and agent.affinity of the chart"
            )
        };
        self.problems("agent", "daemonset", &self.agents, missing, nowhere, namespace)
    }

    fn problems(
        &self,
        component: &str,
        kind: &str,
        workloads: &[Workload],
        missing: String,
        unwanted: impl Fn(&str) -> String,
        namespace: &str,
    ) -> Vec<String> {
        if workloads.is_empty() {
            return vec![missing];
        }
        let mut problems: Vec<String> =
            workloads.iter().filter(|it| it.wanted == 0).map(|it| unwanted(&it.name)).collect();
        let short: Vec<&Workload> = workloads.iter().filter(|it| it.ready < it.wanted).collect();
        let of_component = |pod: &&Pod| pod.labels().get(COMPONENT).is_some_and(|label| label == component);
        let pods: Vec<String> =
            self.pods.iter().filter(of_component).filter_map(|pod| pod_problem(pod, namespace)).collect();
        // The pods say why; without pods, the workload does.
        if pods.is_empty() {
            problems.extend(short.iter().map(|Workload { name, wanted, ready }| {
                format!("{ready} of {wanted} pods of {kind} {name} are ready: run `kubectl describe {kind} {name} -n {namespace}`")
            }));
        }
        problems.extend(pods);
        problems
    }

    fn service_problems(&self, namespace: &str) -> Vec<String> {
        if self.services.is_empty() {
            return vec![format!(
                "there is no Service of the controller in namespace {namespace}, so neither agents nor the API server reach it: \
                 apply the chart's"
            )];
        }
        let empty = self.services.iter().filter(|(_, ready)| *ready == 0);
        empty
            .map(|(name, _)| {
                format!(
                    "Service {name} has no ready endpoint, so neither agents nor the API server reach a controller: compare its \
                     selector with `kubectl get pods -n {namespace} --show-labels`"
                )
            })
            .collect()
    }
}

async fn services(client: &Client, namespace: &str) -> Result<Vec<(String, usize)>, Error> {
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let labels = format!("{LABEL},{COMPONENT}=controller");
    let services = services.list_metadata(&ListParams::default().labels(&labels)).await?;
    let slices =
        Api::<EndpointSlice>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?;
    Ok(services
        .items
        .iter()
        .map(|service| (service.name_any(), ready(&service.name_any(), &slices.items)))
        .collect())
}

/// How many endpoints of a Service are ready.
fn ready(service: &str, slices: &[EndpointSlice]) -> usize {
    let own = slices.iter().filter(|slice| slice.labels().get(SERVICE).is_some_and(|of| of == service));
    // An endpoint that does not say so is ready.
    let is_ready = |ready: Option<bool>| ready != Some(false);
    own.flat_map(|slice| slice.endpoints.iter().flatten())
        .filter(|endpoint| is_ready(endpoint.conditions.as_ref().and_then(|it| it.ready)))
        .count()
}

fn deployment(found: &Deployment) -> Workload {
    let wanted = found.spec.replicas.unwrap_or(1);
    let ready = found.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
    Workload { name: found.name_any(), wanted, ready }
}

fn daemon_set(found: &DaemonSet) -> Workload {
    let (wanted, ready) =
        found.status.as_ref().map(|it| (it.desired_number_scheduled, it.number_ready)).unwrap_or_default();
    Workload { name: found.name_any(), wanted, ready }
}

/// Why a pod is not ready, and what to do. A pod that is being deleted, or has ended, need not be.
fn pod_problem(pod: &Pod, namespace: &str) -> Option<String> {
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|it| it.type_ == kind);
    let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if ended
        || pod.metadata.deletion_timestamp.is_some()
        || condition("Ready").is_some_and(|it| it.status == "True")
    {
        return None;
    }
    let name = pod.name_any();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let of_node = node.map(|node| format!(" on node {node}")).unwrap_or_default();
    let statuses = status.container_statuses.unwrap_or_default();
    if let Some(why) = statuses.iter().find_map(crashes) {
        return Some(format!(
            "pod {name}{of_node} {why}: run `kubectl logs {name} --previous -n {namespace}`"
        ));
    }
    let waiting =
        statuses.iter().filter_map(|it| it.state.as_ref()?.waiting.as_ref()).find_map(|it| it.reason.clone());
    let unscheduled =
        condition("PodScheduled").filter(|it| it.status == "False").and_then(|it| it.message.clone());
    let why = match (unscheduled, waiting) {
        (Some(message), _) => format!("is not scheduled: {message}"),
        (None, Some(reason)) => format!("does not start: {reason}"),
        (None, None) => "is not ready".to_owned(),
    };
    Some(format!("pod {name}{of_node} {why}: run `kubectl describe pod {name} -n {namespace}`"))
}

/// How a container that is restarted over and over ended last.
fn crashes(status: &ContainerStatus) -> Option<String> {
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let waits = status
        .state
        .as_ref()?
        .waiting
        .as_ref()
        .is_some_and(|it| it.reason.as_deref() == Some("CrashLoopBackOff"));
    let last = last.filter(|_| waits || status.restart_count > 0)?;
    Some(format!("has ended {} times, last with exit code {}", status.restart_count, last.exit_code))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "entropool-agent-x", "labels": {"app.kubernetes.io/component": "agent"}},
            "spec": {"nodeName": "n1", "containers": []},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn each_state_of_a_pod_has_its_sentence() {
        let container = |state: &Value, restarts: i32| {
            let last = if restarts > 0 { json!({"terminated": {"exitCode": 7}}) } else { json!({}) };
            json!([{"name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": restarts, "state": state, "lastState": last}])
        };
        let states = [
            json!({"containerStatuses": container(&json!({"waiting": {"reason": "CrashLoopBackOff"}}), 4)}),
            json!({"containerStatuses": container(&json!({"running": {}}), 2)}),
            json!({"containerStatuses": container(&json!({"waiting": {"reason": "ImagePullBackOff"}}), 0)}),
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}),
            json!({"conditions": [{"type": "Ready", "status": "False"}]}),
            json!({}),
        ];
        let sentences = states.map(|state| pod_problem(&pod(&state), "entropool-system").unwrap());
        insta::assert_snapshot!(sentences.join("\n"));
        assert_eq!(
            pod_problem(&pod(&json!({"conditions": [{"type": "Ready", "status": "True"}]})), "ns"),
            None
        );
        assert_eq!(pod_problem(&pod(&json!({"phase": "Failed"})), "ns"), None);
    }

    #[test]
    fn endpoint_counts_if_it_is_ready_and_of_that_service() {
        let slice = |service: &str, ready: &[Option<bool>]| -> EndpointSlice {
            let endpoints: Vec<_> = ready
                .iter()
                .map(|ready| json!({"addresses": ["::1"], "conditions": {"ready": ready}}))
                .collect();
            serde_json::from_value(json!({"addressType": "IPv6", "endpoints": endpoints,
                "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": service}}}))
            .unwrap()
        };
        let slices = [slice("a", &[Some(true), None, Some(false)]), slice("b", &[Some(true)])];
        assert_eq!((ready("a", &slices), ready("b", &slices), ready("c", &slices)), (2, 1, 0));
    }
}
