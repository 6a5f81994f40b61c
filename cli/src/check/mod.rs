//! `check`: everything that can be wrong, looked at once.

mod daemon;
mod facts;
mod finding;
mod manifests;
mod render;

use std::fs;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::args::{CheckArgs, Format, Global};
use crate::daemon::{Daemon, Filter};
use crate::{print, run};

pub(crate) use daemon::judge_running;
pub(crate) use facts::Running;
pub(crate) use finding::{Finding, Verdict, all};

use facts::Facts;

#[derive(Serialize)]
struct Document<'a> {
    checks: &'a [Finding],
}

/// Prints what was found; it is a failure if anything is wrong.
pub(crate) async fn check(global: &Global, args: &CheckArgs) -> Result<()> {
    let facts = gather(global, args).await;
    tell(&judge(&facts), global.output)
}

/// Prints findings; it is a failure if anything is wrong.
pub(crate) fn tell(findings: &[Finding], output: Format) -> Result<()> {
    match output {
        Format::Table => print::text(&render::text(findings))?,
        Format::Json => print::json(&Document { checks: findings })?,
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        several => bail!("{several} things are wrong"),
    }
}

/// All findings, in the order in which one would look.
fn judge(facts: &Facts) -> Vec<Finding> {
    manifests::judge(facts).into_iter().chain(daemon::judge(facts)).collect()
}

async fn gather(global: &Global, args: &CheckArgs) -> Facts {
    let (notes, manifests) = run::looked_at(&args.state_dir, &args.files);
    let running = running(global).await.map_err(|error| format!("{error:#}"));
    let sockets = running.iter().flat_map(|running| &running.vms).map(|vm| vm.socket.clone());
    let missing = sockets.filter(|socket| fs::symlink_metadata(socket).is_err()).collect();
    Facts { api: global.api.display().to_string(), notes, manifests, running, missing }
}

async fn running(global: &Global) -> Result<Running> {
    ask(Daemon::connect(&global.api).await?).await
}

/// All that a daemon is asked.
pub(crate) async fn ask(mut daemon: Daemon) -> Result<Running> {
    Ok(Running {
        pools: daemon.pools().await?,
        classes: daemon.classes(None).await?,
        sources: daemon.sources().await?,
        vms: daemon.vms(Filter::default()).await?,
    })
}

#[cfg(test)]
mod tests;
