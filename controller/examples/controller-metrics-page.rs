//! Prints docs/controller-metrics.md.

fn main() {
    print!("{}", controller::metrics_page());
}
