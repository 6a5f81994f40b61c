//! Ctrl-C, without dying of it: what the quickstart has started and made must go first.

use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Result, bail};

/// Whoever sits at the terminal.
pub(crate) struct Interrupt(Receiver<()>);

impl Interrupt {
    /// From here on Ctrl-C is only remembered.
    pub(crate) fn watch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (sender, receiver) = channel();
        let (armed, is_armed) = channel();
        thread::spawn(move || {
            runtime.block_on(async {
                let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
                let _ = armed.send(signal.is_ok());
                if let Ok(mut signal) = signal {
                    signal.recv().await;
                }
            });
            let _ = sender.send(());
        });
        if !is_armed.recv()? {
            bail!("Ctrl-C cannot be watched");
        }
        Ok(Self(receiver))
    }

    /// Blocks until it is pressed.
    pub(crate) fn wait(&self) {
        // An error says that the watcher is gone, which it is only after it was pressed.
        let _ = self.0.recv();
    }

    /// An error once it was pressed.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.try_recv().is_ok() {
            bail!(Interrupted)
        }
        Ok(())
    }
}

/// Not a failure, but no result either.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
