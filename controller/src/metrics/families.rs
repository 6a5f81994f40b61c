//! What is measured: the one list of which the answer to a scrape and the page in docs/ are made.

/// One metric with all its series.
#[derive(Debug)]
pub(crate) struct Family {
    /// Its name, less the `_total` that a counter's gets.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) kind: MetricKind,
    /// What tells its series apart.
    pub(crate) labels: &'static [&'static str],
    /// What it counts.
    pub(crate) help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// It only grows, until the controller starts again.
    Counter,
    /// It is so at the moment of the scrape.
    Gauge,
}

impl Family {
    /// The name as it is scraped.
    pub(crate) fn full_name(&self) -> String {
        match self.kind {
            MetricKind::Counter => format!("{}_total", self.name),
            MetricKind::Gauge => self.name.to_owned(),
        }
    }
}

macro_rules! families {
    ($($id:ident $name:literal $kind:ident $labels:expr, $help:literal;)*) => {
        $(pub(crate) static $id: Family =
            Family { name: concat!("entropool_", $name), kind: MetricKind::$kind, labels: $labels, help: $help };)*
        /// All of them, in the order of the page.
        pub(crate) static FAMILIES: &[&Family] = &[$(&$id),*];
    };
}

families! {
    LEADER "controller_leader" Gauge &[], "1 if this replica holds the Lease: it writes status";
    SERVING "controller_serving" Gauge &[], "1 if this replica serves agents: it has listed everything, and its watches \
        live";
    WATCH_LIVE "controller_watch_live" Gauge &["kind"], "1 if news of the kind come at once";
    LISTS "controller_lists" Counter &["kind"], "How often the kind was listed whole";
    QUEUE "controller_queue" Gauge &["of"], "What waits for its turn: agents that come (streams), objects whose status is to be \
        written (statuses), nodes whose label or places are (nodes)";
    REVIEWS "controller_reviews" Counter &["hook", "verdict"], "Questions of the API server, by what was answered";
    NODES "nodes" Gauge &["state"], "Nodes that pools select, by how far they are: they run what was accepted last \
        (programmed), have not said so yet (behind), have refused it (refused), have no agent that is connected to this \
        replica (away)";
    UNREADY "nodes_unready" Gauge &[], "Of these, nodes whose agent is connected and takes no VM: Events of the nodes say why";
    REFUSALS "refusals" Gauge &["kind", "reason"], "Edits that are refused, by the rule they break";
    STANDING "standing" Gauge &["kind", "reason"], "What is wrong through no edit of the object it is told of";
}
