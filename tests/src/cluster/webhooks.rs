//! The hooks of the chart, at a controller that is no Service but a process.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::ApiServer;
use super::controller::Controller;
use super::tools::rendered;

const CONFIGURATIONS: &str = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
const LOOK: Duration = Duration::from_millis(100);

impl ApiServer {
    /// Applies the chart's webhooks, called at this controller, and waits until it has said whom to trust.
    pub fn install_webhooks(&self, controller: &Controller) -> Result<()> {
        let chart = rendered(&["--show-only", "templates/webhooks.yaml"])?;
        let applied = self.feed(["apply", "--server-side", "-f", "-"], &at(&chart, controller.webhooks)?)?;
        ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        self.wait_for_bundles(|bundles| bundles.iter().all(|bundle| !bundle.is_empty()))
    }

    /// Applies the chart's policy for pods. It is in force a moment later.
    pub fn install_pod_policy(&self) -> Result<()> {
        self.install_template("templates/podpolicy.yaml")
    }

    /// Applies the chart's policies for the controller's account. They are in force a moment later.
    pub fn install_controller_policies(&self) -> Result<()> {
        self.install_template("templates/controllerpolicy.yaml")
    }

    fn install_template(&self, template: &str) -> Result<()> {
        let policy = rendered(&["--show-only", template])?;
        let applied = self.feed(["apply", "--server-side", "-f", "-"], &policy)?;
        ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        Ok(())
    }

    /// Waits until the bundles of all webhooks are as they should be.
    pub fn wait_for_bundles(&self, holds: impl Fn(&[String]) -> bool) -> Result<()> {
        for _ in 0..600 {
            let bundles = self.bundles()?;
            if !bundles.is_empty() && holds(&bundles) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("the webhooks' bundles are not as they should be: {:?}", self.bundles()?)
    }

    /// Whom the API server trusts, a bundle for each webhook.
    pub fn bundles(&self) -> Result<Vec<String>> {
        let list: Value = serde_json::from_str(&self.said(["get", CONFIGURATIONS, "-o", "json"])?)?;
        let objects = list["items"].as_array().context("there are configurations")?;
        let ours = objects.iter().filter(|object| object["metadata"]["name"] == "entropool");
        let webhooks = ours.filter_map(|object| object["webhooks"].as_array()).flatten();
        let bundle =
            |webhook: &Value| webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned();
        Ok(webhooks.map(bundle).collect())
    }
}

/// The chart's text with an address in place of the Service.
fn at(chart: &str, address: SocketAddr) -> Result<String> {
    let lines = chart.lines().map(|line| match line.split_once("service: {") {
        None => Ok(line.to_owned()),
        Some((indent, service)) => {
            let path = service.split_once("path: ").context("a service has a path")?.1;
            Ok(format!("{indent}url: https://{address}{}", path.trim_end_matches('}')))
        }
    });
    Ok(lines.collect::<Result<Vec<String>>>()?.join("\n"))
}
