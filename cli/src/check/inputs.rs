//! The inputs of the checks of a host.

use std::fs;

use anyhow::Result;
use proto::local::{Class, ListVmsRequest, Pool, Source, Vm};

use crate::args::{CheckArgs, Global};
use crate::client::DaemonClient;
use crate::plan::{self, InspectedManifests};

/// A host.
#[derive(Clone, Debug)]
pub(super) struct CheckInputs {
    /// The socket of the daemon.
    pub(super) api: String,
    /// The warnings about the checkpoint.
    pub(super) checkpoint_warnings: Vec<String>,
    /// `None` if none were named.
    pub(super) manifests: Option<InspectedManifests>,
    /// The daemon's responses, or why there are none.
    pub(super) daemon: Result<DaemonState, String>,
    /// Sockets of VMs that are missing in the file system.
    pub(super) missing_sockets: Vec<String>,
}

/// The responses of a daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct DaemonState {
    pub(crate) pools: Vec<Pool>,
    pub(crate) classes: Vec<Class>,
    pub(crate) sources: Vec<Source>,
    pub(crate) vms: Vec<Vm>,
    /// Why a restart would forget which sources have failed.
    pub(crate) unwritable: Option<String>,
}

pub(super) async fn gather(global: &Global, args: &CheckArgs) -> CheckInputs {
    let (checkpoint_warnings, manifests) = plan::inspect(&args.state_dir, &args.files);
    let daemon = match DaemonClient::connect(&global.api).await {
        Ok(daemon) => daemon_state(daemon).await,
        Err(error) => Err(error.into()),
    };
    let daemon = daemon.map_err(|error| format!("{error:#}"));
    let sockets = daemon.iter().flat_map(|daemon| &daemon.vms).map(|vm| vm.socket.clone());
    let missing_sockets = sockets.filter(|socket| fs::symlink_metadata(socket).is_err()).collect();
    CheckInputs {
        api: global.api.display().to_string(),
        checkpoint_warnings,
        manifests,
        daemon,
        missing_sockets,
    }
}

pub(crate) async fn daemon_state(mut daemon: DaemonClient) -> Result<DaemonState> {
    let sources = daemon.sources().await?;
    Ok(DaemonState {
        pools: daemon.pools().await?.pools,
        classes: daemon.classes(None).await?.classes,
        sources: sources.sources,
        unwritable: sources.unwritable,
        vms: daemon.vms(ListVmsRequest::default()).await?.vms,
    })
}
