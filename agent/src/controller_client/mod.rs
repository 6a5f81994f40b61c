//! The node's configuration, from its controller, for as long as there is one.
//!
//! A thread of its own holds the stream; the decisions are `delivery`'s. What comes is put in force by the same
//! [`Agent::apply`] that `entropool run` calls, and whoever runs the agent is told what to keep. Nothing here is
//! waited for: an agent without a controller serves what it has.

mod connect;
mod controller;
mod driver;
mod fmt;
mod readiness;
mod report;
mod status;
mod tasks;
mod tls;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use codec::Bytes;
use delivery::{ResourceSet, Version};
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};

use self::driver::Driver;
use crate::agent::Agent;
use crate::checkpoint::LastGood;

pub use connect::{ConnectError, ControllerEndpoint};
pub use controller::{Controller, ControllerError};
pub use status::{SubscriptionState, SubscriptionStatus};
pub use tls::BundleError;

/// Whoever keeps what is in force.
pub trait PersistConfig: Send + 'static {
    /// This is in force now.
    fn keep(&self, last_good: LastGood);

    /// A VM is in another class from now on.
    fn moved(&self, vm: &str, class: &str);
}

/// What was in force before.
#[derive(Clone, Debug, Default)]
pub struct HeldConfig {
    /// What it was made from.
    pub version: Version,
    /// Its resources as they came.
    pub content: Arc<ResourceSet<Bytes>>,
}

/// The thread that holds the stream.
#[derive(Debug)]
pub struct Subscription {
    stop: oneshot::Sender<()>,
    news: Arc<Notify>,
    status: SubscriptionStatus,
    thread: JoinHandle<()>,
}

impl Subscription {
    /// Connects to the target from now on, until it is stopped.
    pub fn start(
        target: ControllerEndpoint,
        agent: Arc<Agent>,
        held: HeldConfig,
        keep: impl PersistConfig,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let news = Arc::new(Notify::new());
        agent.is_of(&held.version);
        let status = SubscriptionStatus::new(held.version.clone(), dataplane::now());
        let drive = Driver::new(target, agent, held, Box::new(keep), Arc::clone(&news), status.clone());
        let thread = thread::Builder::new().name("subscribe".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = drive.run() => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { stop, news, status, thread })
    }

    /// A VM has come, moved or gone: there is something to report.
    pub fn vms_changed(&self) {
        self.news.notify_one();
    }

    /// How the agent stands with its controller.
    pub fn status(&self) -> &SubscriptionStatus {
        &self.status
    }

    /// Hangs up.
    pub fn stop(self) {
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the subscription had panicked");
        }
    }
}
