//! What libvirt's hook for QEMU is called for.

use anyhow::{Result, bail};
use domain_xml::Choice;

use crate::args::{Client, Global, HookArgs, Member};
use crate::client::DaemonClient;

/// What a call means for a domain that draws from a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HookAction {
    /// It starts: without its socket it must not.
    Begin,
    /// libvirt is back and found it running.
    Resume,
    /// It has ended.
    End,
    /// Nothing of ours.
    None,
}

impl HookAction {
    fn of(operation: &str, sub_operation: &str) -> Self {
        match (operation, sub_operation) {
            ("prepare", "begin") => Self::Begin,
            ("reconnect", "begin") => Self::Resume,
            ("release", "end") => Self::End,
            _ => Self::None,
        }
    }
}

/// Does it. An error keeps a domain from starting, and libvirt shows its sentence; a domain that runs or has ended is
/// not made to suffer by one.
pub(crate) async fn hook(global: &Global, args: &HookArgs, xml: &str) -> Result<()> {
    let act = HookAction::of(&args.operation, &args.sub_operation);
    if act == HookAction::None {
        return Ok(());
    }
    let done = async {
        let Some(choice) = domain_xml::choice(xml)? else { return Ok(()) };
        let mut daemon = DaemonClient::connect(&global.api).await?;
        match act {
            HookAction::Begin => begin(&mut daemon, args, &choice, xml).await,
            HookAction::Resume => resume(&mut daemon, args, &choice).await,
            HookAction::End => end(&mut daemon, args).await,
            HookAction::None => Ok(()),
        }
    };
    match done.await {
        Err(error) if act != HookAction::Begin => {
            eprintln!("entropool: {error:#}");
            Ok(())
        }
        done => done,
    }
}

async fn begin(daemon: &mut DaemonClient, args: &HookArgs, choice: &Choice, xml: &str) -> Result<()> {
    let member = member(args, choice);
    let socket = match daemon.attach(&member, &args.namespace).await {
        Err(error) if error.is_already_there() => {
            // Its last end was told to nobody.
            daemon.detach(&member.id).await?;
            daemon.attach(&member, &args.namespace).await?
        }
        attached => attached?,
    };
    if domain_xml::socket(xml)?.as_deref() == Some(&*socket) {
        return Ok(());
    }
    daemon.detach(&member.id).await?;
    bail!(
        "domain {0} does not ask {socket}, where the daemon serves it; have it defined anew: \
         entropool libvirt set {0} {1}",
        args.domain,
        place(choice)
    )
}

async fn resume(daemon: &mut DaemonClient, args: &HookArgs, choice: &Choice) -> Result<()> {
    match daemon.attach(&member(args, choice), &args.namespace).await {
        Err(error) if error.is_already_there() => Ok(()),
        attached => Ok(attached.map(drop)?),
    }
}

async fn end(daemon: &mut DaemonClient, args: &HookArgs) -> Result<()> {
    match daemon.detach(&args.domain).await {
        Err(error) if error.is_unknown() => Ok(()),
        ended => Ok(ended?),
    }
}

fn member(args: &HookArgs, choice: &Choice) -> Member {
    let Choice { pool, class } = choice.clone();
    Member { id: args.domain.clone(), pool, class, client: Client::Qemu }
}

fn place(choice: &Choice) -> String {
    choice.class.as_ref().map_or_else(|| choice.pool.clone(), |class| format!("{}/{class}", choice.pool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_its_socket_from_before_its_start_until_after_its_end() {
        let acts = [
            (("prepare", "begin"), HookAction::Begin),
            (("start", "begin"), HookAction::None),
            (("started", "begin"), HookAction::None),
            (("stopped", "end"), HookAction::None),
            (("release", "end"), HookAction::End),
            (("reconnect", "begin"), HookAction::Resume),
            (("migrate", "begin"), HookAction::None),
            (("restore", "begin"), HookAction::None),
        ];
        for ((operation, sub_operation), act) in acts {
            assert_eq!(HookAction::of(operation, sub_operation), act, "{operation} {sub_operation}");
        }
    }
}
