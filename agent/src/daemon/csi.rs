//! The CSI driver as a part of the daemon.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::options::StartOptions;
use crate::agent::Agent;
use crate::api::Host;
use crate::attachments::csi::{CsiOptions, CsiServer, PodHost, PodInfo, Volumes};
use crate::event::DaemonEvents;
use crate::handover::OwnState;
use crate::unix_socket::BoundSocket;

/// The volumes of the node's pods, and the server that the kubelet calls for them.
#[derive(Debug)]
pub(super) struct CsiDriver {
    volumes: Arc<Volumes>,
    host: Arc<DriverHost>,
    options: CsiOptions,
    server: Option<CsiServer>,
}

impl CsiDriver {
    /// Opens the volumes if there is a kubelet, without serving them yet. `configured`: a configuration is applied.
    pub(super) fn open(
        start: &StartOptions,
        agent: &Arc<Agent>,
        configured: bool,
        events: &DaemonEvents,
    ) -> Result<Option<Self>> {
        let Some(options) = start.csi.clone() else { return Ok(None) };
        let host = Arc::new(DriverHost {
            configured: AtomicBool::new(configured),
            agent: Arc::clone(agent),
            events: events.clone(),
        });
        let journal = start.directories.run.join("attachments");
        let volumes = Volumes::open(agent, host.clone(), options.pods(), journal)
            .context("cannot open the journal of attachments")?;
        Ok(Some(Self { volumes: Arc::new(volumes), host, options, server: None }))
    }

    /// Attaches the VMs of volumes that are not attached, if a configuration is applied.
    pub(super) fn attach_missing(&self) {
        if self.host.configured() {
            self.volumes.restore();
        }
    }

    /// Serves the kubelet from now on.
    pub(super) fn serve(&mut self) -> Result<()> {
        let server = CsiServer::serve(&self.options, Arc::clone(&self.volumes));
        self.server = Some(server.context("cannot serve the kubelet")?);
        Ok(())
    }

    /// Serves the kubelet at the sockets of another process.
    pub(super) fn resume(
        &mut self,
        driver: Option<BoundSocket>,
        registration: Option<BoundSocket>,
    ) -> Result<()> {
        let server = CsiServer::resume(&self.options, Arc::clone(&self.volumes), (driver, registration));
        self.server = Some(server.context("cannot serve the kubelet")?);
        Ok(())
    }

    /// A configuration was applied.
    pub(super) fn configured(&self) {
        self.host.configured.store(true, Ordering::Relaxed);
        self.volumes.restore();
    }

    /// Adds duplicates of the driver's sockets, for a successor.
    pub(super) fn share_sockets(&self, sockets: &mut OwnState) -> io::Result<()> {
        self.server.iter().try_for_each(|server| server.share(sockets))
    }

    /// Stops and leaves the sockets to another process.
    pub(super) fn leave(self) {
        if let Some(server) = self.server {
            server.leave();
        }
    }
}

/// What the volumes need of the daemon.
#[derive(Debug)]
struct DriverHost {
    configured: AtomicBool,
    agent: Arc<Agent>,
    events: DaemonEvents,
}

impl PodHost for DriverHost {
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
