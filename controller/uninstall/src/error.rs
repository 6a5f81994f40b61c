//! Why nothing, or not everything, was removed.

use crate::usage::Usage;

#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    #[error(
        "{0}. Delete them, or remove the annotation entropool.io/pool from the VMs and restart them; \
         `kubectl entropool uninstall --force` leaves agents for them until they end"
    )]
    InUse(Usage),
    #[error(
        "these pods of the controller have not ended after {seconds} s, and might write to nodes again: {}. If their nodes \
         are lost, delete the pods with `kubectl delete pod --force`",
        pods.join(", ")
    )]
    ControllersRun { pods: Vec<String>, seconds: u64 },
    #[error(
        "the agents that stay for these VMs are ready on {ready} of {wanted} nodes after {seconds} s: see \
         `kubectl describe daemonset {name}`"
    )]
    AgentsNotReady { name: &'static str, ready: i32, wanted: i32, seconds: u64 },
    #[error("there is no agent in namespace {0} that could stay: install the chart, and repeat this")]
    NoAgents(String),
    /// The caller knows best how to print the error of its client.
    #[error("cannot {call}")]
    Api { call: String, source: Box<kube::Error> },
}

/// The error of a call, such as `list pods`.
pub(crate) fn api_call(call: impl Into<String>) -> impl FnOnce(kube::Error) -> UninstallError {
    let call = call.into();
    |source| UninstallError::Api { call, source: Box::new(source) }
}

pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
