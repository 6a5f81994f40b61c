//! Somebody who follows the daemon over its local API: how late are its answers?

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use entropool_tests::Host;

/// The time between two trees, by the daemon's clock.
const INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Watcher {
    top: Child,
    lines: Receiver<Instant>,
}

impl Watcher {
    pub(super) fn start(host: &Host) -> Self {
        let mut command = host.asking(["top", "--interval", "100ms", "-o", "json"]);
        let mut top = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(top.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            output.map_while(Result::ok).take_while(|_| sender.send(Instant::now()).is_ok()).count()
        });
        lines.recv_timeout(Duration::from_secs(20)).expect("the first tree");
        Self { top, lines }
    }

    /// What came so far does not count.
    pub(super) fn forget(&self) {
        self.lines.try_iter().for_each(drop);
    }

    /// How late the latest of the trees was that came since then.
    pub(super) fn longest(&self) -> Duration {
        let times: Vec<_> = self.lines.try_iter().collect();
        let gaps = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        let longest = gaps.max().expect("the local API sent no two trees in all this time");
        let silence = times.last().map_or(Duration::ZERO, Instant::elapsed);
        longest.max(silence).saturating_sub(INTERVAL)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.top.kill();
        let _ = self.top.wait();
    }
}
