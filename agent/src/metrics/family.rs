//! What is measured: the one list of which the answer to a scrape and the page in docs/ are made.

/// One metric with all its series.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, less the `_total` that a counter's gets.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// What tells its series apart.
    pub labels: &'static [&'static str],
    /// What it counts, in which unit.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, until the daemon starts again.
    Counter,
    /// It is so at the moment of the scrape.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Family {
    /// The name as it is scraped.
    pub fn full_name(&self) -> String {
        match self.kind {
            MetricKind::Counter => format!("{}_total", self.name),
            MetricKind::Gauge | MetricKind::Histogram => self.name.to_owned(),
        }
    }
}

const POOL: &[&str] = &["pool"];
const CLASS: &[&str] = &["pool", "class"];
const SOURCE: &[&str] = &["pool", "source"];

macro_rules! families {
    ($($id:ident $name:literal $kind:ident $labels:expr, $help:literal;)*) => {
        $(pub(super) static $id: Family =
            Family { name: concat!("entropool_", $name), kind: MetricKind::$kind, labels: $labels, help: $help };)*
        /// All of them, in the order of the page.
        pub static FAMILIES: &[&Family] = &[$(&$id),*];
    };
}

families! {
    VMS "vms" Gauge CLASS, "VMs attached, of the class itself; so is all that follows but what says otherwise";
    ORPHANED "vms_orphaned" Gauge POOL, "Of these, VMs that stay only because they were there before: their pool or class is \
        deleted, or their namespace may not use it any more";
    CONNECTIONS "connections" Gauge POOL, "Connections open on the sockets of VMs";
    CLOSED "connections_closed" Counter &["reason"], "Connections that ended: by the peer (ended), for a newer one of \
        the VM or of others (replaced), for a command that did not end in time (stalled), for asking far too much \
        (flooding), because the VM or the server went (detached), for an error of the kernel (broken), for bytes that \
        are no EGD (unknown_command, too_many_runs)";
    SERVED "pool_served_bytes" Counter POOL, "Bytes granted to VMs, and bytes sent unsolicited";
    CLASS_SERVED "class_served_bytes" Counter CLASS, "The same, to the VMs of a class and of those below it";
    BORROWED "class_borrowed_bytes" Counter CLASS, "Of these, bytes that somebody above the class lent";
    UNSOLICITED "unsolicited_bytes" Counter &[], "Bytes sent unsolicited to QEMUs that have just connected";
    WAIT "wait_seconds" Histogram CLASS, "How long grants were waited for: since they were asked for, or since the \
        grant before";
    WAITING "vms_waiting" Gauge &["pool", "class", "limit"], "VMs that wait, by what for: others to borrow \
        less (rate), a ceil, or the sources (supply)";
    ASSURED_WAITING "vms_assured_waiting" Gauge CLASS, "VMs that have waited over a second for bytes that they are \
        assured: a promise is not kept";
    OWED "owed_bytes" Gauge CLASS, "Bytes asked for and not granted";
    VM_WAITING "vm_waiting_seconds" Gauge &["pool", "class", "namespace", "vm", "limit"], "How long a VM has waited: \
        only those that have for over 10 seconds, and of these the 50 that have longest";
    OVERLIMITS "overlimits" Counter &["pool", "limit", "class"], "How often a ceil did not let through what was \
        wanted, by whose it was: the pool's, a class's (only then is there a label class), a namespace's, a vm's";
    LIMIT_HITS "limit_hits" Counter &["limit"], "How often a limit on what one VM may do to the daemon held one back: a connection \
        accepted later (delayed) or closed for a newer one (replaced), for asking far too much (flooding), for half a \
        command (stalled) or bytes that are no EGD (garbage), a request answered with nothing (unanswered), and what it \
        sent left for later (deferred). A guest that is what it should be adds to none";
    POOL_RATE "pool_rate_bytes_per_second" Gauge POOL, "What the pool may promise";
    POOL_CEIL "pool_ceil_bytes_per_second" Gauge POOL, "What the pool may serve";
    POOL_ASSURED "pool_assured_ratio" Gauge POOL, "How much of its rate the pool has promised to classes, 0 to 1";
    CLASS_RATE "class_rate_bytes_per_second" Gauge CLASS, "What the class is assured";
    CLASS_CEIL "class_ceil_bytes_per_second" Gauge CLASS, "What the class may get";
    CLASS_ASSURED "class_assured_ratio" Gauge CLASS, "How much of its rate the class has promised to its VMs and to \
        classes below it, 0 to 1; absent where it is assured nothing";
    BUFFER "pool_buffer_bytes" Gauge POOL, "Bytes made beforehand that wait to be served";
    SERVING "pool_serving" Gauge &["pool", "state"], "1 for what the pool serves: what it promised, less to those \
        who allow it (degraded), nothing (held), nothing yet (starting)";
    SOURCES "pool_sources" Gauge POOL, "Sources of the pool on this node";
    SOURCES_HEALTHY "pool_sources_healthy" Gauge POOL, "Of these, those that are healthy";
    UP "source_up" Gauge SOURCE, "1 if the source is healthy";
    DRAWN "source_active" Gauge SOURCE, "1 if the pool draws from it; not from one of a higher tier in reserve";
    BYTES_IN "source_bytes" Counter SOURCE, "Bytes read from a noise source and tested";
    CREDITED "source_credited_bytes" Counter SOURCE, "Of these, those that passed all tests and went to this pool";
    FAILURES "source_failures" Counter &["pool", "source", "test"], "Health tests that a noise source failed: \
        repetition_count, adaptive_proportion, block_tests (FIPS 140-2), or lost: it could not be opened or read, \
        ended or stalled";
    CONFIG_AGE "config_age_seconds" Gauge &[], "Since the configuration that is in force was put in force";
    CONFIG_VERSION "config_version" Gauge &["kind"], "Newest resourceVersion of each kind that the configuration in force \
        was made from; absent where no controller made it";
    CONFIGS "configs_applied" Counter &[], "Configurations put in force since the start";
    CONFIG_ROLLBACKS "config_rollbacks" Counter &[], "Configurations among these that were older than what they replaced: after a \
        minute in which nothing else was on offer, as when a cluster is restored";
    WRITABLE "checkpoint_writable" Gauge &[], "1 while what a restart must know can be written to the state directory; \
        the log says why it cannot. VMs are served either way";
    HANGS "worker_hangs" Counter &[], "How often the worker stood still and was killed, so that the next one serves: \
        each is a mistake of ours";
}
