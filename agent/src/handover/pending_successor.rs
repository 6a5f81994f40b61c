//! The predecessor's last duty: to see whether its successor lives to serve.

use std::io::{self, ErrorKind};

use tokio::runtime::{Builder, Runtime};

use super::channel::{Channel, MessageKind};
use crate::signals::Signals;

/// A process that has everything of this one, and may not serve yet.
#[derive(Debug)]
pub struct PendingSuccessor {
    channel: Channel,
    /// Whether it will say when it serves: those of before do not.
    tells: bool,
}

/// Waits for an heir. Made before whatever else listened to signals goes, so that none falls between the two.
#[derive(Debug)]
pub struct SuccessorWait {
    runtime: Runtime,
    signals: Signals,
}

impl SuccessorWait {
    /// Listens to SIGTERM, SIGINT and SIGHUP from now on.
    pub fn begin() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
        let signals = {
            let _in = runtime.enter();
            Signals::new()?
        };
        Ok(Self { runtime, signals })
    }

    /// Waits until `heir` serves. `false` if it died before: then nobody serves. One that lives and says nothing is
    /// left alone, and so is whatever there is when a signal asks for the end.
    pub fn keep(self, heir: PendingSuccessor) -> bool {
        let Self { runtime, mut signals } = self;
        let served = runtime.block_on(async {
            tokio::select! {
                _ = signals.next() => true,
                served = tokio::task::spawn_blocking(move || heir.serves()) => served.unwrap_or(true),
            }
        });
        runtime.shutdown_background();
        served
    }
}

impl PendingSuccessor {
    pub(super) fn new(channel: Channel, tells: bool) -> Self {
        Self { channel, tells }
    }

    fn serves(&self) -> bool {
        if !self.tells {
            return true;
        }
        let heard = self.channel.set_patience(super::successor::PREPARE);
        match heard.and_then(|()| self.channel.expect(MessageKind::Serves)) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::TimedOut,
        }
    }
}
