//! `check`: everything that can be wrong, looked at once.

mod daemon;
mod inputs;
mod manifests;
mod render;
mod result;

use std::fs;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::args::{CheckArgs, Format, Global};
use crate::client::{DaemonClient, VmFilter};
use crate::{output, plan};

pub(crate) use daemon::judge_running;
pub(crate) use inputs::RunningDaemon;
pub(crate) use result::{CheckResult, Level, all};

use inputs::CheckInputs;

#[derive(Serialize)]
struct Document<'a> {
    checks: &'a [CheckResult],
}

/// Prints what was found; it is a failure if anything is wrong.
pub(crate) async fn check(global: &Global, args: &CheckArgs) -> Result<()> {
    let facts = gather(global, args).await;
    tell(&judge(&facts), global.output)
}

/// Prints findings; it is a failure if anything is wrong.
pub(crate) fn tell(findings: &[CheckResult], output: Format) -> Result<()> {
    match output {
        Format::Table => output::text(&render::text(findings))?,
        Format::Json => output::json(&Document { checks: findings })?,
    }
    match findings.iter().filter(|finding| finding.verdict == Level::Wrong).count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        several => bail!("{several} things are wrong"),
    }
}

/// All findings, in the order in which one would look.
fn judge(facts: &CheckInputs) -> Vec<CheckResult> {
    manifests::judge(facts).into_iter().chain(daemon::judge(facts)).collect()
}

async fn gather(global: &Global, args: &CheckArgs) -> CheckInputs {
    let (notes, manifests) = plan::inspect(&args.state_dir, &args.files);
    let running = running(global).await.map_err(|error| format!("{error:#}"));
    let sockets = running.iter().flat_map(|running| &running.vms).map(|vm| vm.socket.clone());
    let missing = sockets.filter(|socket| fs::symlink_metadata(socket).is_err()).collect();
    CheckInputs { api: global.api.display().to_string(), notes, manifests, running, missing }
}

async fn running(global: &Global) -> Result<RunningDaemon> {
    ask(DaemonClient::connect(&global.api).await?).await
}

/// All that a daemon is asked.
pub(crate) async fn ask(mut daemon: DaemonClient) -> Result<RunningDaemon> {
    Ok(RunningDaemon {
        pools: daemon.pools().await?,
        classes: daemon.classes(None).await?,
        sources: daemon.sources().await?,
        vms: daemon.vms(VmFilter::default()).await?,
    })
}

#[cfg(test)]
mod tests;
