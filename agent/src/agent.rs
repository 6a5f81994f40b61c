//! The agent as a whole: the data plane and the configuration it runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use delivery::NodeConfig;
use server::{Attach, AttachError, Options, Server, StartError};

use crate::apply::{ApplyError, apply};

/// A running data plane with the configuration it runs. Its methods block for a turn of the data plane's loop.
#[derive(Debug)]
pub struct Agent {
    server: Server,
    config: RwLock<Arc<NodeConfig>>,
}

impl Agent {
    /// Starts a data plane that serves nothing yet.
    pub fn start(options: Options) -> Result<Self, StartError> {
        Ok(Self { server: server::start(options)?, config: RwLock::default() })
    }

    /// Puts `config` in force, all of it or nothing. VMs keep their connections, tokens and debts.
    pub fn apply(&self, config: &Arc<NodeConfig>) -> Result<(), ApplyError> {
        apply(config, &self.server)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(config);
        Ok(())
    }

    /// What is in force.
    pub fn config(&self) -> Arc<NodeConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives a VM its socket and says where that is. It listens when this returns.
    pub fn attach(&self, vm: Attach) -> Result<PathBuf, AttachError> {
        self.server.attach(vm)
    }

    /// The data plane, for what needs no configuration.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Serves what may still go, `within` a time at the longest, and removes all sockets.
    pub fn drain(&self, within: Duration) {
        self.server.drain(within);
        self.server.join();
    }
}
