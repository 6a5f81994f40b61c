//! The thread of the subscription.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};

use super::connect::ControllerEndpoint;
use super::driver::{Driver, HeldConfig, PersistConfig};
use super::report::SubscriptionStatus;
use crate::agent::Agent;

/// The thread that holds the stream.
#[derive(Debug)]
pub(crate) struct SubscriptionThread {
    stop: oneshot::Sender<()>,
    vms_changed: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl SubscriptionThread {
    /// Starts the thread. `held` is the configuration that is applied already.
    pub(crate) fn start(
        endpoint: ControllerEndpoint,
        agent: Arc<Agent>,
        held: HeldConfig,
        persist: impl PersistConfig,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let vms_changed = Arc::new(Notify::new());
        agent.set_config_version(&held.version);
        let status = SubscriptionStatus::new(held.version.clone(), dataplane::now());
        let driver = Driver::new(endpoint, agent, held, Box::new(persist), Arc::clone(&vms_changed), status);
        let thread = thread::Builder::new().name("subscribe".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = driver.run() => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { stop, vms_changed, thread })
    }

    /// A VM was attached, moved or detached, and is to be reported.
    pub(crate) fn vms_changed(&self) {
        self.vms_changed.notify_one();
    }

    /// Closes the stream and ends the thread.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the subscription had panicked");
        }
    }
}
