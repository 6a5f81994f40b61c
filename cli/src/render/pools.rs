//! The table of `pools`.

use super::amount::{rate, total};
use super::table::Table;
use crate::view::{Pool, PoolOutput};

/// One line a pool.
pub(crate) fn pools(pools: &[Pool]) -> String {
    let mut table = Table::new(&[
        "NAME",
        ">RATE",
        ">PROMISED",
        ">CEIL",
        ">CLASSES",
        ">VMS",
        ">WAITING",
        ">SERVED",
        "OUTPUT",
        ">SOURCES",
        "DEFAULT CLASS",
    ]);
    for pool in pools {
        table.row([
            name(&pool.name, pool.closed),
            rate(pool.shape.rate),
            rate(pool.promised),
            rate(pool.shape.ceil),
            pool.classes.to_string(),
            pool.vms.to_string(),
            pool.waiting.to_string(),
            total(pool.counters.bytes),
            output(&pool.output),
            format!("{}/{}", pool.sources_healthy, pool.sources),
            pool.default_class.clone(),
        ]);
    }
    table.or("No pools are served.") + &pools.iter().filter_map(why).collect::<String>()
}

/// Why a promise is not kept.
fn why(pool: &Pool) -> Option<String> {
    Some(format!("\npool {} {}\n", pool.name, pool.output.message.as_ref()?))
}

/// The promise, and what is served instead where it is not kept.
fn output(output: &PoolOutput) -> String {
    let promised = format!("{:?}", output.promised);
    match (output.served, output.degraded) {
        (None, _) => format!("{promised} (none served)"),
        (Some(_), true) => format!("{promised} (degraded)"),
        (Some(_), false) => promised,
    }
}

/// A pool or class that takes no new VM says so.
pub(super) fn name(name: &str, closed: bool) -> String {
    if closed { format!("{name} (closed)") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn pools_are_a_table() {
        insta::assert_snapshot!(pools(&samples::tree().pools));
    }

    #[test]
    fn no_pools_are_a_sentence() {
        assert_eq!(pools(&[]), "No pools are served.\n");
    }
}
