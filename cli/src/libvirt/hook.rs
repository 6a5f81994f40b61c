//! `libvirt hook`: called by libvirt's hook for QEMU when a domain starts and ends.

use anyhow::{Result, bail};
use domain_xml::PoolSelection;

use crate::args::{ClientKind, Global, HookArgs, VmSpec};
use crate::client::DaemonClient;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HookAction {
    /// The domain starts, and must not without its socket.
    Attach,
    /// libvirt restarted and found the domain running.
    Reattach,
    /// The domain ended.
    Detach,
    None,
}

impl HookAction {
    fn of(operation: &str, sub_operation: &str) -> Self {
        match (operation, sub_operation) {
            ("prepare", "begin") => Self::Attach,
            ("reconnect", "begin") => Self::Reattach,
            ("release", "end") => Self::Detach,
            _ => Self::None,
        }
    }
}

/// An error prevents a domain from starting, and libvirt shows its message. If the domain runs or has ended, the error
/// is only printed.
pub(crate) async fn hook(global: &Global, args: &HookArgs, xml: &str) -> Result<()> {
    let action = HookAction::of(&args.operation, &args.sub_operation);
    if action == HookAction::None {
        return Ok(());
    }
    let result = async {
        let Some(selection) = domain_xml::selection(xml)? else { return Ok(()) };
        let mut daemon = DaemonClient::connect(&global.api).await?;
        match action {
            HookAction::Attach => attach(&mut daemon, args, &selection, xml).await,
            HookAction::Reattach => reattach(&mut daemon, args, &selection).await,
            HookAction::Detach => detach(&mut daemon, args).await,
            HookAction::None => Ok(()),
        }
    };
    match result.await {
        Err(error) if action != HookAction::Attach => {
            eprintln!("entropool: {error:#}");
            Ok(())
        }
        result => result,
    }
}

async fn attach(
    daemon: &mut DaemonClient,
    args: &HookArgs,
    selection: &PoolSelection,
    xml: &str,
) -> Result<()> {
    let vm = vm_spec(args, selection);
    let socket = match daemon.attach(&vm, &args.namespace).await {
        Err(error) if error.is_already_exists() => {
            // The hook was not called when the domain last ended.
            daemon.detach(&vm.name).await?;
            daemon.attach(&vm, &args.namespace).await?
        }
        attached => attached?,
    };
    if domain_xml::socket(xml)?.as_deref() == Some(&*socket) {
        return Ok(());
    }
    daemon.detach(&vm.name).await?;
    bail!(
        "domain {0} does not use the socket {socket} that the daemon made for it; redefine it with \
         `entropool libvirt set {0} {1}`",
        args.domain,
        pool_class(selection)
    )
}

async fn reattach(daemon: &mut DaemonClient, args: &HookArgs, selection: &PoolSelection) -> Result<()> {
    match daemon.attach(&vm_spec(args, selection), &args.namespace).await {
        Err(error) if error.is_already_exists() => Ok(()),
        attached => Ok(attached.map(drop)?),
    }
}

async fn detach(daemon: &mut DaemonClient, args: &HookArgs) -> Result<()> {
    match daemon.detach(&args.domain).await {
        Err(error) if error.is_not_found() => Ok(()),
        detached => Ok(detached?),
    }
}

fn vm_spec(args: &HookArgs, selection: &PoolSelection) -> VmSpec {
    let PoolSelection { pool, class } = selection.clone();
    VmSpec { name: args.domain.clone(), pool, class, client: ClientKind::Qemu }
}

fn pool_class(PoolSelection { pool, class }: &PoolSelection) -> String {
    class.as_ref().map_or_else(|| pool.clone(), |class| format!("{pool}/{class}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_has_its_socket_from_before_its_start_until_after_its_end() {
        let actions = [
            (("prepare", "begin"), HookAction::Attach),
            (("start", "begin"), HookAction::None),
            (("started", "begin"), HookAction::None),
            (("stopped", "end"), HookAction::None),
            (("release", "end"), HookAction::Detach),
            (("reconnect", "begin"), HookAction::Reattach),
            (("migrate", "begin"), HookAction::None),
            (("restore", "begin"), HookAction::None),
        ];
        for ((operation, sub_operation), action) in actions {
            assert_eq!(HookAction::of(operation, sub_operation), action, "{operation} {sub_operation}");
        }
    }
}
