//! The table of `vms`.

use super::amount::{rate, total};
use super::table::Table;
use crate::view::Vm;

/// Instead of a table without rows.
pub(crate) const NO_VMS: &str = "No VMs.";

/// One line a VM.
pub(crate) fn vms(vms: &[Vm]) -> String {
    vms_table(vms).or(NO_VMS)
}

/// The same, to be put beside others'.
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
        table.row([
            vm.name.clone(),
            vm.namespace.clone(),
            vm.pool.clone(),
            vm.class.clone(),
            rate(vm.shape.rate),
            rate(vm.shape.ceil),
            vm.connections.to_string(),
            total(vm.owed),
            total(vm.counters.bytes),
            vm.socket.clone(),
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
}
