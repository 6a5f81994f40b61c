//! What was seen of each attack, and what may be.

use std::time::Duration;

use super::RATE;
use super::honest_clients::Measured;

/// The wait of one in a hundred may grow by so much.
const FELT: Duration = Duration::from_millis(10);
const API: Duration = Duration::from_millis(100);
pub(super) const MEMORY: u64 = 64 << 20;
/// Files that the daemon may have open for a moment for its own reasons.
const SLACK: usize = 8;

pub(super) struct Verdict {
    /// The wait of one in a hundred without the attack.
    pub(super) quiet: Duration,
    pub(super) during: Measured,
    /// How late the local API was.
    pub(super) api: Duration,
    pub(super) memory: u64,
    /// More than before.
    pub(super) descriptors: usize,
    pub(super) level_stays: bool,
}

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) connections: usize,
    /// How many threads share a processor, whoever else does what: one, where all of this goes before what else runs,
    /// else as many as ran before it began. Who shares a processor waits so many times longer for it.
    pub(super) crowding: u32,
    pub(super) verdict: Verdict,
}

impl Row {
    /// Per mille of what is assured that the VM got which got least. One request more or less is the edge of the
    /// period.
    fn assured(&self) -> u64 {
        let during = &self.verdict.during;
        let milliseconds = u64::try_from(during.period.as_millis()).unwrap();
        (during.least + 64) * 1_000_000 / (RATE * milliseconds)
    }

    fn grown(&self) -> Duration {
        self.verdict.during.p99().saturating_sub(self.verdict.quiet)
    }

    /// Why this is not what was promised.
    pub(super) fn complaint(&self) -> Option<String> {
        let Verdict { api, memory, descriptors, level_stays, .. } = self.verdict;
        let wrong = [
            (self.assured() < 990, "an honest VM got less than 99 % of what it is assured"),
            (self.grown() >= FELT * self.crowding, "honest VMs wait longer"),
            (api >= API * self.crowding, "the local API is late"),
            (memory >= MEMORY, "the daemon has grown"),
            (descriptors > self.connections + SLACK, "it holds too many descriptors"),
            (!level_stays, "0x00 tells one VM what another does"),
        ];
        let wrong: Vec<_> = wrong.iter().filter(|(wrong, _)| *wrong).map(|(_, what)| *what).collect();
        (!wrong.is_empty()).then(|| format!("{}: {} ({})", self.name, wrong.join(", "), self.summary()))
    }

    pub(super) fn summary(&self) -> String {
        let Verdict { quiet, during, api, memory, descriptors, .. } = &self.verdict;
        let tenths = self.assured();
        format!(
            "assured {}.{} %, p99 {:.1} ms (without {:.1}), longest {:.1} ms, API {:.1} ms late, {} KiB, {descriptors} more descriptors",
            tenths / 10,
            tenths % 10,
            ms(during.p99()),
            ms(*quiet),
            ms(during.longest()),
            ms(*api),
            memory / 1024,
        )
    }
}

pub(super) fn table(rows: &[Row]) -> String {
    let line = |row: &Row| format!("{:4} {:45} {}\n", row.name, row.what, row.summary());
    rows.iter().map(line).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
