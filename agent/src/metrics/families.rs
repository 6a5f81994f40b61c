//! The metrics of the agent and the daemon, and their page in docs/.

const POOL: &[&str] = &["pool"];
const CLASS: &[&str] = &["pool", "class"];
const SOURCE: &[&str] = &["pool", "source"];

telemetry::families! { pub FAMILIES:
    VMS "vms" Gauge CLASS, "Attached VMs of the class itself, without those of classes below it";
    ORPHANED "vms_orphaned" Gauge POOL, "Attached VMs that could not be attached again: their pool or class is deleted, or \
        their namespace may no longer use it";
    CONNECTIONS "connections" Gauge POOL, "Open connections on the sockets of VMs";
    CLOSED "connections_closed" Counter &["reason"], "Connections that ended, by reason: the peer closed it (ended), a \
        newer connection of the VM or of others took its place (replaced), a command was not complete in time (stalled), \
        the VM asked far too much (flooding), the VM was detached or the daemon stopped (detached), the kernel returned an \
        error (broken), or the bytes were not EGD (unknown_command, too_many_runs)";
    SERVED "pool_served_bytes" Counter POOL, "Bytes sent to VMs of the pool, granted or unsolicited";
    CLASS_SERVED "class_served_bytes" Counter CLASS, "Bytes sent to VMs of the class and of classes below it, granted or \
        unsolicited";
    BORROWED "class_borrowed_bytes" Counter CLASS, "Bytes granted to VMs of the class and of classes below it that an \
        ancestor of the class lent";
    UNSOLICITED "unsolicited_bytes" Counter &[], "Bytes sent unsolicited to QEMU processes that had just connected";
    WAIT "wait_seconds" Histogram CLASS, "Time that VMs of the class waited for a grant: since the request, or since the \
        previous grant";
    WAITING "vms_waiting" Gauge &["pool", "class", "limit"], "VMs of the class that wait, by limit: until others borrow \
        less (rate), until a ceil admits more (ceil), or for the sources (supply)";
    ASSURED_WAITING "vms_assured_waiting" Gauge CLASS, "VMs of the class that have waited more than a second for assured \
        bytes; above 0, a promise is broken";
    OWED "owed_bytes" Gauge CLASS, "Bytes that VMs of the class have requested and not been granted yet";
    VM_WAITING "vm_waiting_seconds" Gauge &["pool", "class", "namespace", "vm", "limit"], "How long a VM has been waiting; \
        only for VMs that have waited more than 10 seconds, and at most for the 50 that have waited longest";
    OVERLIMITS "overlimits" Counter &["pool", "limit", "class"], "How often a ceil held bytes back, by whose ceil it was: \
        pool, class (with the label class), namespace or vm";
    LIMIT_HITS "limit_hits" Counter &["limit"], "How often a limit on the load that one VM may cause took effect: a \
        connection was accepted late (delayed), or closed in favour of a newer one (replaced), for asking far too much \
        (flooding), for half a command (stalled) or for bytes that are not EGD (garbage); a request was answered with \
        nothing (unanswered), or input was left for later (deferred). A well-behaved guest hits none";
    POOL_RATE "pool_rate_bytes_per_second" Gauge POOL, "Bytes per second that the pool may promise";
    POOL_CEIL "pool_ceil_bytes_per_second" Gauge POOL, "Bytes per second that the pool serves at most";
    POOL_ASSURED "pool_assured_ratio" Gauge POOL, "Share of the pool's rate that is promised to classes, 0 to 1";
    CLASS_RATE "class_rate_bytes_per_second" Gauge CLASS, "Bytes per second that the class is assured";
    CLASS_CEIL "class_ceil_bytes_per_second" Gauge CLASS, "Bytes per second that the class gets at most";
    CLASS_ASSURED "class_assured_ratio" Gauge CLASS, "Share of the class's rate that is promised to its VMs and to classes \
        below it, 0 to 1; absent where the class is assured nothing";
    BUFFER "pool_buffer_bytes" Gauge POOL, "Bytes that the pool has produced in advance and not served yet";
    SERVING "pool_serving" Gauge &["pool", "state"], "1 for what the pool serves: all that it promised (promised), degraded \
        bytes to those who allow them (degraded), nothing (held), or nothing yet (starting)";
    SOURCES "pool_sources" Gauge POOL, "Sources of the pool on this host";
    SOURCES_HEALTHY "pool_sources_healthy" Gauge POOL, "Healthy sources of the pool on this host";
    UP "source_up" Gauge SOURCE, "1 if the source is healthy";
    ACTIVE "source_active" Gauge SOURCE, "1 if the pool draws from the source; 0 if it is unhealthy, or in reserve because \
        the pool draws from a lower tier";
    BYTES_IN "source_bytes" Counter SOURCE, "Bytes that were read from the noise source and tested";
    CREDITED "source_credited_bytes" Counter SOURCE, "Bytes of the noise source that passed all tests, earned credit of entropy and were used by this pool";
    FAILURES "source_failures" Counter &["pool", "source", "test"], "Health tests that the noise source failed: \
        repetition_count, adaptive_proportion, block_tests (FIPS 140-2), structure (loops, correlation, \
        leaning bits, common values), or lost: it could not be opened or read, ended or stalled";
    CONFIG_AGE "config_age_seconds" Gauge &[], "Seconds since the configuration in effect was applied";
    CONFIG_VERSION "config_version" Gauge &["kind"], "Newest resourceVersion of the kind that the configuration in effect \
        was made from; absent where no controller made it";
    CONFIGS "configs_applied" Counter &[], "Configurations applied since the start";
    CONFIG_ROLLBACKS "config_rollbacks" Counter &[], "Configurations applied although they were older than the one they \
        replaced: after a minute in which no other was on offer, as when a cluster is restored from a backup";
    WRITABLE "checkpoint_writable" Gauge &[], "1 while the state that a restart needs can be written to the state \
        directory; the log says why it cannot. VMs are served either way";
    HANGS "worker_hangs" Counter &[], "Workers that hung and were killed, so that the next one serves; each is a bug in \
        entropool";
}

const HEAD: &str = "\
# Metrics of the daemon and the agent

*For operators who scrape, graph or alert on `entropool run` or `entropool-agent`.*

`entropool run --metrics ADDR` and the agent serve them at `/metrics`, beside `/healthz` (200 while the data plane responds) and
`/readyz` (the same, and whether a configuration is in effect): in the OpenMetrics format, and to a client that prefers it
(`Accept: text/plain`) in Prometheus' text format. `process_…` is the worker's: the process that serves the VMs. A port without an address is a
port of 127.0.0.1. There is no authentication: use another address only where everybody who reaches it may know the names
of pools, classes and waiting VMs.

Names, types and labels are an interface: they change only with a line in the changelog. The number of series is bounded by
the pools, classes and sources that the operator declares; a VM has a series of its own only while it waits long, and at
most 50 VMs have one. Counters start at 0 when the daemon does.

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
        let committed = include_str!("../../../docs/metrics.md");
        assert_eq!(committed, super::page(), "docs/metrics.md is stale: make metrics");
    }
}
