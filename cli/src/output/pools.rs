//! The table of `pools`.

use proto::local::{Output, Pool, PoolOutput, Serving};

use super::amount::{bits, configured_rate, total};
use super::table::Table;

/// One row per pool, and below the table what raw samples are, and why promises are not kept.
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
        let shape = pool.shape.unwrap_or_default();
        table.row([
            name(&pool.name, pool.deleted),
            configured_rate(shape.rate),
            configured_rate(pool.promised),
            configured_rate(shape.ceil),
            pool.classes.to_string(),
            pool.vms.to_string(),
            pool.waiting.to_string(),
            total(pool.counters.unwrap_or_default().bytes),
            pool.output.as_ref().map(output).unwrap_or_default(),
            format!("{}/{}", pool.sources_healthy, pool.sources),
            pool.default_class.clone(),
        ]);
    }
    let raw = pools.iter().filter_map(raw_samples);
    table.or("No pools are served.")
        + &raw.chain(pools.iter().filter_map(why_not_promised)).collect::<String>()
}

/// A byte of raw samples is not worth eight bits.
fn raw_samples(pool: &Pool) -> Option<String> {
    let h = bits(pool.output.as_ref()?.raw_min_entropy_thousandths?);
    Some(format!("\npool {} serves raw samples, H {h} bits per byte: condition before use\n", pool.name))
}

fn why_not_promised(pool: &Pool) -> Option<String> {
    Some(format!("\npool {} {}\n", pool.name, pool.output.as_ref()?.message.as_ref()?))
}

/// The promise, and whether it is kept.
fn output(output: &PoolOutput) -> String {
    let promised = match output.promised() {
        Output::Unspecified => "-",
        Output::Stretched => "Stretched",
        Output::FullEntropy => "FullEntropy",
        Output::Raw => "Raw",
    };
    match output.serving() {
        Serving::Starting => format!("{promised} (starting)"),
        Serving::Held => format!("{promised} (held)"),
        Serving::Degraded => format!("{promised} (degraded)"),
        Serving::Unspecified | Serving::Promised => promised.to_owned(),
    }
}

/// The name of a pool or class; one that was deleted and still has VMs is marked.
pub(crate) fn name(name: &str, deleted: bool) -> String {
    if deleted { format!("{name} (deleted)") } else { name.to_owned() }
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
    fn raw_samples_are_labelled() {
        let mut pool = samples::tree().pools.swap_remove(0);
        let h = |pool: &mut Pool, thousandths| {
            if let Some(output) = &mut pool.output {
                output.raw_min_entropy_thousandths = Some(thousandths);
            }
            pools(std::slice::from_ref(pool))
        };
        for (thousandths, bits) in [(6000, "6"), (125, "0.125"), (8000, "8"), (1, "0.001")] {
            let label =
                format!("\npool default serves raw samples, H {bits} bits per byte: condition before use\n");
            assert!(h(&mut pool, thousandths).ends_with(&label), "{bits}");
        }
    }

    #[test]
    fn without_pools_there_is_a_sentence() {
        assert_eq!(pools(&[]), "No pools are served.\n");
    }
}
