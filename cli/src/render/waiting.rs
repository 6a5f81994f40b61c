//! The table of `waiting`.

use super::amount::{span, total};
use super::explain::limit;
use super::table::Table;
use crate::view::Vm;

/// Instead of a table without rows.
pub(crate) const NOBODY_WAITS: &str = "No VM is waiting.";

/// One line a VM that waits: for how long, and what for.
pub(crate) fn waiting(vms: &[Vm]) -> String {
    waiting_table(vms).or(NOBODY_WAITS)
}

/// The same, to be put beside others'.
pub(crate) fn waiting_table(vms: &[Vm]) -> Table {
    let mut table = Table::new(&["NAME", "NAMESPACE", "POOL", "CLASS", ">OWED", ">WAITING", "FOR"]);
    for vm in vms {
        let Some(time) = vm.waiting else { continue };
        table.row([
            vm.name.clone(),
            vm.namespace.clone(),
            vm.pool.clone(),
            vm.class.clone(),
            total(vm.owed),
            span(time),
            vm.binding.as_ref().map_or_else(|| "its turn".to_owned(), limit),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn those_who_wait_are_a_table_with_the_reason() {
        insta::assert_snapshot!(waiting(&samples::tree().vms));
    }

    #[test]
    fn nobody_waiting_is_a_sentence() {
        assert_eq!(waiting(&[samples::idle_vm()]), "No VM is waiting.\n");
    }
}
