//! `check`: everything that can be wrong on a host, checked at once.

mod result;
mod rules;
#[cfg(test)]
mod tests;

use std::fs;

use anyhow::{Result, bail};
use proto::local::{Class, ListVmsRequest, Pool, Source, Vm};
use serde_json::json;

use crate::args::{CheckArgs, Format, Global};
use crate::client::DaemonClient;
use crate::{output, run};

pub(crate) use result::{CheckResult, Level, results};
pub(crate) use rules::daemon as check_daemon;

/// A host.
#[derive(Clone, Debug)]
struct CheckInputs {
    /// The socket of the daemon.
    api: String,
    /// What is odd about the checkpoint.
    checkpoint_warnings: Vec<String>,
    /// The number of objects in the manifests and what would be refused of them; `None` if none were named.
    manifests: Option<(usize, Vec<String>)>,
    /// The daemon's responses, or why there are none.
    daemon: Result<DaemonState, String>,
    /// Sockets of VMs that are missing in the file system.
    missing_sockets: Vec<String>,
}

/// The responses of a daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct DaemonState {
    pub(crate) pools: Vec<Pool>,
    pub(crate) classes: Vec<Class>,
    pub(crate) sources: Vec<Source>,
    pub(crate) vms: Vec<Vm>,
}

pub(crate) async fn check(global: &Global, args: &CheckArgs) -> Result<()> {
    report(&rules::host(&gather(global, args).await), global.output)
}

/// Prints the results, and fails if one of them is an error.
pub(crate) fn report(results: &[CheckResult], format: Format) -> Result<()> {
    match format {
        Format::Table => output::print(&result::table(results))?,
        Format::Json => output::print_json(&json!({ "checks": results }))?,
    }
    match results.iter().filter(|result| result.level == Level::Error).count() {
        0 => Ok(()),
        1 => bail!("one check found an error"),
        several => bail!("the checks found {several} errors"),
    }
}

async fn gather(global: &Global, args: &CheckArgs) -> CheckInputs {
    let (checkpoint_warnings, manifests) = run::looked_at(&args.state_dir, &args.files);
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
    Ok(DaemonState {
        pools: daemon.pools().await?.pools,
        classes: daemon.classes(None).await?.classes,
        sources: daemon.sources().await?.sources,
        vms: daemon.vms(ListVmsRequest::default()).await?.vms,
    })
}
