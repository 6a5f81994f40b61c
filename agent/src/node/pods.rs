//! The node's pods, which the kubelet tells of.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use dataplane::AttachRequest;

use super::args::Args;
use super::events::Events;
use crate::agent::Agent;
use crate::api::Host;
use crate::csi::{CsiOptions, CsiServer, PodHost, PodInfo, Volumes};
use crate::handover::{Bound, Sockets};

/// The volumes of the node's pods, and the driver that the kubelet asks for them.
#[derive(Debug)]
pub(super) struct Pods {
    volumes: Arc<Volumes>,
    said: Arc<Said>,
    options: CsiOptions,
    driver: Option<CsiServer>,
}

impl Pods {
    /// Those of a kubelet, if there is one. Nobody is answered yet.
    pub(super) fn open(args: &Args, agent: &Arc<Agent>, events: &Events) -> Result<Option<Self>> {
        let Some(kubelet_dir) = args.kubelet_dir.clone() else { return Ok(None) };
        let options = CsiOptions { node: args.node.clone(), kubelet_dir };
        let said = Arc::new(Said {
            // What was in force last is in force again already, if it could be read.
            configured: AtomicBool::new(!agent.config().pools.is_empty()),
            agent: Arc::clone(agent),
            events: events.clone(),
        });
        let records = args.run_dir.join("csi");
        let volumes = Volumes::open(Arc::clone(agent), said.clone(), options.pods(), records)
            .context("the records of volumes cannot be opened")?;
        Ok(Some(Self { volumes: Arc::new(volumes), said, options, driver: None }))
    }

    /// The VMs of all volumes.
    pub(super) fn wanted(&self) -> Vec<AttachRequest> {
        self.volumes.wanted()
    }

    /// Gives VMs their sockets that have none, as far as a configuration is in force.
    pub(super) fn settle(&self) {
        if self.said.configured() {
            self.volumes.settle();
        }
    }

    /// Answers the kubelet from now on.
    pub(super) fn serve(&mut self) -> Result<()> {
        let driver = CsiServer::serve(&self.options, Arc::clone(&self.volumes));
        self.driver = Some(driver.context("the kubelet cannot be answered")?);
        Ok(())
    }

    /// Answers the kubelet where another process did, at the driver's and the registration's socket.
    pub(super) fn go_on(&mut self, left: (Option<Bound>, Option<Bound>)) -> Result<()> {
        let driver = CsiServer::resume(&self.options, Arc::clone(&self.volumes), left);
        self.driver = Some(driver.context("the kubelet cannot be answered")?);
        Ok(())
    }

    /// A configuration has come into force.
    pub(super) fn configured(&self) {
        self.said.configured.store(true, Ordering::Relaxed);
        self.volumes.settle();
    }

    /// A VM is in another class from now on.
    pub(super) fn moved(&self, vm: &str, class: &str) {
        self.volumes.moved(vm, class);
    }

    /// A VM gets nothing until its pod ends.
    pub(super) fn cut(&self, vm: &str) {
        self.volumes.cut(vm);
    }

    /// Until this is dropped, volumes stay as they are.
    pub(super) fn hold(&self) -> impl Drop {
        self.volumes.hold()
    }

    /// The sockets once more, for a successor.
    pub(super) fn share(&self, sockets: &mut Sockets) -> io::Result<()> {
        self.driver.iter().try_for_each(|driver| driver.share(sockets))
    }

    /// The volumes are another process's now.
    pub(super) fn leave_volumes(&self) {
        self.volumes.leave();
    }

    /// So are the sockets.
    pub(super) fn leave(self) {
        self.driver.into_iter().for_each(CsiServer::leave);
    }
}

/// What the driver asks its host.
#[derive(Debug)]
struct Said {
    configured: AtomicBool,
    agent: Arc<Agent>,
    events: Events,
}

impl PodHost for Said {
    fn pod_info(&self) -> PodInfo {
        match self.agent.config().pod_info_on_mount {
            Some(true) => PodInfo::Verified,
            Some(false) => PodInfo::Off,
            None => PodInfo::Unknown,
        }
    }

    fn configured(&self) -> bool {
        self.configured.load(Ordering::Relaxed)
    }

    fn changed(&self) {
        Host::vms_changed(&self.events);
    }
}
