//! How to start a daemon, for both programs.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use dataplane::{AttachError, AttachRequest, DataPlaneOptions, SocketOwner, SocketStoreLink};
use source::Permissions;

use super::checkpointer::LoadedCheckpoint;
use crate::agent::Agent;
use crate::attachments::csi::CsiOptions;
use crate::attachments::{Attachment, AttachmentOrigin};
use crate::directories::Directories;
use crate::directory_locks::DirectoryLocks;
use crate::handover::PodGeneration;
use crate::metrics::Endpoint;

/// The options of the start.
pub(super) struct StartOptions {
    pub(super) directories: Directories,
    pub(super) socket_owner: SocketOwner,
    pub(super) permissions: Permissions,
    pub(super) api_mode: u32,
    /// Where to serve the API over TCP as well.
    pub(super) api_address: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) pod_generation: Option<PodGeneration>,
    pub(super) csi: Option<CsiOptions>,
    pub(super) vms: CommandLineVms,
    pub(super) uses_systemd: bool,
}

/// The VMs of the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct CommandLineVms {
    pub(super) vms: Vec<AttachRequest>,
    pub(super) ports: Vec<(SocketAddr, AttachRequest)>,
    /// A process with the same arguments has served before: a VM that cannot be attached is no reason not to serve the
    /// others.
    pub(super) served_before: bool,
}

/// What a program has opened already to check its arguments.
pub(super) struct Prepared {
    pub(super) locks: DirectoryLocks,
    pub(super) checkpoint: Option<LoadedCheckpoint>,
    pub(super) metrics: Option<Endpoint>,
    pub(super) store: Option<SocketStoreLink>,
}

impl StartOptions {
    /// The data plane's part of the options; it is `paused` until another process has stopped serving.
    pub(super) fn data_plane(&self, paused: bool) -> DataPlaneOptions {
        DataPlaneOptions {
            socket_dir: self.directories.socket.clone(),
            owner: self.socket_owner,
            permissions: self.permissions.clone(),
            state_file: Some(self.directories.run.join("state")),
            paused,
        }
    }

    pub(super) fn load_checkpoint(&self) -> LoadedCheckpoint {
        LoadedCheckpoint::load(&self.directories.state, true)
    }
}

impl CommandLineVms {
    pub(super) fn attachments(&self) -> impl Iterator<Item = Attachment> {
        let vms = self.vms.iter().map(|vm| (None, vm));
        let ports = self.ports.iter().map(|(port, vm)| (Some(*port), vm));
        vms.chain(ports).map(|(port, vm)| Attachment::new(vm.clone(), AttachmentOrigin::Flag { port }))
    }

    pub(super) fn attach(&self, agent: &Agent) -> Result<()> {
        let errors = self.attachments().filter_map(|vm| agent.attachments().attach(vm).err());
        let problems: Vec<_> = errors.map(|error| error.to_string()).collect();
        if self.served_before {
            for error in &problems {
                tracing::warn!(error, "failed to reattach VM");
            }
        } else if !problems.is_empty() {
            agent.drain(Duration::ZERO);
            refuse(problems)?;
        }
        Ok(())
    }

    /// Fails if any of `failed` are VMs of the command line, unless these were served before; returns the others.
    pub(super) fn refuse_failed(
        &self,
        failed: Vec<(String, AttachError)>,
    ) -> Result<Vec<(String, AttachError)>> {
        if self.served_before {
            return Ok(failed);
        }
        let named: BTreeSet<_> = self.attachments().map(|vm| vm.id).collect();
        let (refused, lost): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(id, _)| named.contains(id));
        refuse(refused.into_iter().map(|(_, error)| error.to_string()).collect())?;
        Ok(lost)
    }
}

/// All problems, one per line.
#[derive(Debug)]
pub(super) struct StartRefused(Vec<String>);

impl StartRefused {
    pub(super) fn of(problems: Vec<String>) -> Self {
        Self(problems)
    }
}

impl std::error::Error for StartRefused {}

impl Display for StartRefused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is served")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Fails if there are any problems.
pub(super) fn refuse(problems: Vec<String>) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(StartRefused(problems).into()) }
}
