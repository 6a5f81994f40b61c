//! The tables of `vms` and `waiting`.

use proto::local::Vm;

use super::amount::{configured_rate, duration, total};
use super::explain::limit;
use super::table::Table;

pub(crate) const NO_VMS: &str = "No VMs.";
pub(crate) const NO_VMS_WAIT: &str = "No VM is waiting.";

/// One row per VM.
pub(crate) fn vms(vms: &[Vm]) -> String {
    vms_table(vms).or(NO_VMS)
}

pub(crate) fn vms_table(vms: &[Vm]) -> Table {
    let mut table = Table::new(&[
        "NAME",
        "NAMESPACE",
        "POOL",
        "CLASS",
        ">RATE",
        ">CEIL",
        ">CONNECTIONS",
        ">OWED",
        ">SERVED",
        "SOCKET",
    ]);
    for vm in vms {
        let shape = vm.shape.unwrap_or_default();
        table.row([
            vm.name.clone(),
            vm.namespace.clone(),
            vm.pool.clone(),
            vm.class.clone(),
            configured_rate(shape.rate),
            configured_rate(shape.ceil),
            vm.connections.to_string(),
            total(vm.owed),
            total(vm.counters.unwrap_or_default().bytes),
            vm.socket.clone(),
        ]);
    }
    table
}

/// One row per VM that waits.
pub(crate) fn waiting(vms: &[Vm]) -> String {
    waiting_table(vms).or(NO_VMS_WAIT)
}

pub(crate) fn waiting_table(vms: &[Vm]) -> Table {
    let mut table = Table::new(&["NAME", "NAMESPACE", "POOL", "CLASS", ">OWED", ">WAITING", "FOR"]);
    for vm in vms {
        let Some(waiting) = vm.waiting else { continue };
        table.row([
            vm.name.clone(),
            vm.namespace.clone(),
            vm.pool.clone(),
            vm.class.clone(),
            total(vm.owed),
            duration(waiting),
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
    fn vms_are_a_table() {
        insta::assert_snapshot!(vms(&samples::tree().vms));
    }

    #[test]
    fn waiting_vms_are_a_table_with_the_limit() {
        insta::assert_snapshot!(waiting(&samples::tree().vms));
    }

    #[test]
    fn without_waiting_vms_there_is_a_sentence() {
        assert_eq!(waiting(&[samples::idle_vm()]), "No VM is waiting.\n");
    }
}
