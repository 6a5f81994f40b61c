//! The controller's metrics, and their page in docs/.

telemetry::families! { pub(crate) FAMILIES:
    LEADER "controller_leader" Gauge &[], "1 if this replica holds the Lease and writes status";
    SERVING "controller_serving" Gauge &[], "1 if this replica serves agents: it has listed all kinds, and its watches are \
        live";
    WATCH_LIVE "controller_watch_live" Gauge &["kind"], "1 if the watch of the kind is live";
    LISTS "controller_lists" Counter &["kind"], "How often the kind was listed completely";
    QUEUE "controller_queue_length" Gauge &["queue"], "Entries that wait in the queue: agents that connect (streams), \
        objects whose status is to be written (statuses), nodes whose label or extended resources are to be written (nodes)";
    REVIEWS "controller_reviews" Counter &["hook", "verdict"], "Admission reviews, by hook and verdict";
    REVIEW_SECONDS "controller_review_seconds" Histogram &["hook"], "Time from a complete admission request to its answer";
    CERTIFICATE "controller_certificate_expiration_timestamp_seconds" Gauge &[], "When the certificate expires that the \
        controller shows agents and the API server, in seconds since 1970";
    CLASS_FULL "class_full" Gauge &["pool", "class"], "1 if no node with a ready agent has a free slot of the class; absent \
        for classes without a bound";
    NODES "nodes" Gauge &["state"], "Nodes that pools select, by state: the agent runs the last accepted configuration \
        (programmed), has not confirmed it yet (behind), has refused it (refused), or is not connected to this replica \
        (away)";
    UNREADY "nodes_unready" Gauge &[], "Nodes that pools select whose agent is connected and takes no VMs; Events of the \
        node say why";
    REFUSALS "refusals" Gauge &["kind", "reason"], "Edits that are refused, by the rule they break";
    PROBLEMS "problems" Gauge &["kind", "reason"], "Problems of objects that no edit of the object caused, by the rule that \
        is broken";
}

const HEAD: &str = "\
# Metrics of the controller

*For operators who scrape, graph or alert on `entropool-controller`.*

`entropool-controller` serves them at `/metrics` of its health port (8080), beside `/healthz` and `/readyz`: in the OpenMetrics
format, and to a client that prefers it (`Accept: text/plain`) in Prometheus' text format. The metrics of the agents are in
[metrics.md](metrics.md), the alerts on both in [runbooks](runbooks).

Names, types and labels are an interface: they change only with a line in the changelog. No label names a VM, a
namespace or a node, so the number of series depends only on the classes, kinds, hooks and reasons there are.

This page is generated from the code; run `make metrics` after a change.

";

/// The page in docs/.
pub fn page() -> String {
    format!("{HEAD}{}", telemetry::table(&[FAMILIES, telemetry::PROGRAM].concat()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let committed = include_str!("../../../docs/controller-metrics.md");
        assert_eq!(committed, super::page(), "docs/controller-metrics.md is stale: make metrics");
    }
}
