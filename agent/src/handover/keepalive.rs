//! Signs of life of a successor that prepares, so that one that says no more after *hello* is not waited for.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::fd_channel::{Channel, MessageKind};

/// Between two messages.
const INTERVAL: Duration = Duration::from_secs(1);

/// A thread that sends [`MessageKind::Preparing`]. It ends when this is dropped, and has sent its last message then.
#[derive(Debug)]
pub(super) struct Keepalive {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keepalive {
    pub(super) fn start(channel: &Channel) -> io::Result<Self> {
        let channel = Channel(channel.0.as_fd().try_clone_to_owned()?);
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("preparing".to_owned()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
                if channel.send(MessageKind::Preparing, &[]).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keepalive {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
