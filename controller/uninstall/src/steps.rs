//! The steps of an uninstallation, up to the deletion of the chart's own objects.

use kube::Client;

use crate::error::UninstallError;
use crate::usage::Usage;
use crate::users::read_usage;
use crate::{controllers, leftovers, nodes, remaining};

#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where entropool is installed.
    pub namespace: &'a str,
    /// Whether to go on while VMs use it: agents stay for these.
    pub force: bool,
    /// Whether this is a hook of Helm's itself, whose objects Helm deletes.
    pub hook: bool,
}

/// What was removed, and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The nodes that had a label or slots.
    pub nodes: usize,
    /// Objects, by kind and name.
    pub objects: Vec<String>,
    /// The users that agents stay for.
    pub remaining: Option<Usage>,
}

/// Removes everything that is not the chart's. `told` is called before each step that takes time.
pub async fn run(
    client: &Client,
    options: Options<'_>,
    told: impl Fn(&str),
) -> Result<Removed, UninstallError> {
    let Options { namespace, force, hook } = options;
    refuse_if_used(client, force).await?;
    told("stopping the controllers");
    let stopped = controllers::stop(client, namespace).await?;
    // A VM may have been created since, and none can be from now on.
    let used = match refuse_if_used(client, force).await {
        Ok(used) => used,
        Err(error) => {
            controllers::restart(client, namespace, &stopped).await?;
            return Err(error);
        }
    };
    controllers::until_ended(client, namespace).await?;
    let remaining = if used.is_empty() {
        None
    } else {
        told("starting the agents that stay");
        remaining::stay(client, namespace).await?;
        Some(used)
    };
    told("cleaning the nodes");
    let nodes = nodes::clean(client).await?;
    let mut objects = leftovers::delete(client, namespace).await?;
    if !hook {
        objects.extend(leftovers::delete_hooks(client, namespace).await?);
    }
    if remaining.is_none() && remaining::end(client, namespace).await? {
        objects.push(format!("DaemonSet {}", remaining::NAME));
    }
    Ok(Removed { nodes, objects, remaining })
}

async fn refuse_if_used(client: &Client, force: bool) -> Result<Usage, UninstallError> {
    let used = read_usage(client).await?;
    if used.is_empty() || force { Ok(used) } else { Err(UninstallError::InUse(used)) }
}
