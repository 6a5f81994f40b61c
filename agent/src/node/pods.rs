//! The node's pods, which the kubelet tells of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::args::Args;
use super::events::Events;
use crate::agent::Agent;
use crate::csi::{Csi, CsiOptions, PodHost, PodInfo, Volumes};
use crate::local::Host;

/// The volumes of the node's pods, and the driver that the kubelet asks for them.
#[derive(Debug)]
pub(super) struct Pods {
    volumes: Arc<Volumes>,
    said: Arc<Said>,
    _driver: Csi,
}

impl Pods {
    /// Serves the kubelet, if there is one. VMs whose class is in force have their sockets when this returns.
    pub(super) fn serve(args: &Args, agent: &Arc<Agent>, events: &Events) -> Result<Option<Self>> {
        let Some(kubelet_dir) = args.kubelet_dir.clone() else { return Ok(None) };
        // What was in force last is in force again already, if it could be read.
        let held = !agent.config().pools.is_empty();
        let options = CsiOptions { node: args.node.clone(), kubelet_dir };
        let said = Arc::new(Said {
            configured: AtomicBool::new(held),
            trusted: args.trust_pod_info,
            events: events.clone(),
        });
        let records = args.run_dir.join("csi");
        let volumes = Volumes::open(Arc::clone(agent), said.clone(), options.pods(), records)
            .context("the records of volumes cannot be opened")?;
        let volumes = Arc::new(volumes);
        if held {
            volumes.settle();
        }
        let driver = Csi::serve(&options, Arc::clone(&volumes)).context("the kubelet cannot be answered")?;
        Ok(Some(Self { volumes, said, _driver: driver }))
    }

    /// A configuration has come into force.
    pub(super) fn configured(&self) {
        self.said.configured.store(true, Ordering::Relaxed);
        self.volumes.settle();
    }
}

/// What the driver asks its host.
#[derive(Debug)]
struct Said {
    configured: AtomicBool,
    /// Whoever started the agent vouches for the `CSIDriver`.
    trusted: bool,
    events: Events,
}

impl PodHost for Said {
    fn pod_info(&self) -> PodInfo {
        if self.trusted { PodInfo::Verified } else { PodInfo::Unknown }
    }

    fn configured(&self) -> bool {
        self.configured.load(Ordering::Relaxed)
    }

    fn vms_changed(&self) {
        Host::vms_changed(&self.events);
    }
}
