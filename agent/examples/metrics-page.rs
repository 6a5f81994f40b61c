//! Prints docs/metrics.md.

fn main() {
    print!("{}", entropool_agent::metrics::page());
}
