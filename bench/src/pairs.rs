//! Interleaved pairs: floor, entropool, floor, entropool …

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{Load, Peer};

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Case {
    /// One socket and one connection per VM.
    pub sockets: usize,
    /// Bytes of a request.
    pub reply: u8,
    /// Requests in flight per connection.
    pub depth: usize,
    /// Cores of server and client; one core for both is the sharpest at one socket, where two cores measure the
    /// wake-up of an idle core and nothing else.
    pub cores: (&'static str, &'static str),
}

/// What one server did in one measurement.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    cpu_per_request: f64,
    p50: f64,
    p99: f64,
    resident: u64,
}

/// Medians over the pairs of one case.
pub struct Report {
    case: Case,
    floor: Vec<Figures>,
    ours: Vec<Figures>,
}

impl Case {
    /// Measures `pairs` pairs of `seconds` each.
    pub fn run(self, floor: &Path, ours: &Path, pairs: usize, seconds: f64) -> Result<Report> {
        pin(self.cores.1)?;
        let mut report = Report { case: self, floor: Vec::new(), ours: Vec::new() };
        for _ in 0..pairs {
            let dir = tempfile::tempdir()?;
            report
                .floor
                .push(self.measure(&Peer::floor(floor, dir.path(), self.sockets, self.cores.0)?, seconds)?);
            let dir = tempfile::tempdir()?;
            report.ours.push(
                self.measure(&Peer::entropool(ours, dir.path(), self.sockets, self.cores.0)?, seconds)?,
            );
        }
        Ok(report)
    }

    fn measure(self, peer: &Peer, seconds: f64) -> Result<Figures> {
        let load = Load {
            sockets: peer.sockets(self.sockets),
            reply: self.reply,
            depth: self.depth,
            warm: Duration::from_millis(500),
            measure: Duration::from_secs_f64(seconds),
        };
        let mut cpu = Vec::new();
        let outcome = load.run(|| cpu.push(peer.cpu()))?;
        let cpu = cpu.into_iter().collect::<Result<Vec<_>>>()?;
        let (begin, end) = (cpu.first().context("a beginning")?, cpu.last().context("an end")?);
        let requests = outcome.requests as f64;
        Ok(Figures {
            per_second: requests / outcome.measured.as_secs_f64(),
            cpu_per_request: end.saturating_sub(*begin).as_secs_f64() * 1e6 / requests,
            p50: outcome.latency.value_at_quantile(0.5) as f64 / 1e3,
            p99: outcome.latency.value_at_quantile(0.99) as f64 / 1e3,
            resident: peer.resident()?,
        })
    }
}

fn pin(core: &str) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core.parse().context("a core's number")?);
    rustix::thread::sched_setaffinity(None, &set).context("pin the client to its core")
}

impl Report {
    /// The table's first lines.
    pub const HEADER: &'static str = "\
SOCKETS  BYTES  DEPTH  CORES |   FLOOR/S    OURS/S  RATIO      RANGE | CPU µs: FLOOR   OURS  RATIO | P50 µs: FLOOR    OURS | P99 µs: FLOOR    OURS | RSS KiB";

    /// One line of the table.
    pub fn row(&self) -> String {
        let Case { sockets, reply, depth, cores } = self.case;
        let (rates, cpu) = (self.ratios(|f| f.per_second), self.ratios(|f| f.cpu_per_request));
        let floor = |of: fn(&Figures) -> f64| median(&self.floor, of);
        let ours = |of: fn(&Figures) -> f64| median(&self.ours, of);
        format!(
            "{sockets:>7} {reply:>6} {depth:>6}    {}/{} | {:>9.0} {:>9.0} {:>6.3}  {:.2}–{:.2} | {:>13.2} {:>6.2} {:>6.3} | \
             {:>13.1} {:>7.1} | {:>13.1} {:>7.1} | {:>7}",
            cores.0,
            cores.1,
            floor(|f| f.per_second),
            ours(|f| f.per_second),
            middle(&rates),
            rates[0],
            rates[rates.len() - 1],
            floor(|f| f.cpu_per_request),
            ours(|f| f.cpu_per_request),
            middle(&cpu),
            floor(|f| f.p50),
            ours(|f| f.p50),
            floor(|f| f.p99),
            ours(|f| f.p99),
            self.ours.iter().map(|f| f.resident).max().unwrap_or(0),
        )
    }

    /// The same as one JSON line.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "sockets": self.case.sockets, "bytes": self.case.reply, "depth": self.case.depth,
            "pairs": self.ours.len(),
            "throughputRatio": middle(&self.ratios(|f| f.per_second)),
            "cpuRatio": middle(&self.ratios(|f| f.cpu_per_request)),
            "requestsPerSecond": median(&self.ours, |f| f.per_second),
            "cpuMicrosPerRequest": median(&self.ours, |f| f.cpu_per_request),
            "p50Micros": median(&self.ours, |f| f.p50), "p99Micros": median(&self.ours, |f| f.p99),
        })
    }

    /// Ours to the floor's, pair by pair, ascending.
    fn ratios(&self, of: impl Fn(&Figures) -> f64) -> Vec<f64> {
        let mut ratios: Vec<f64> =
            self.ours.iter().zip(&self.floor).map(|(ours, floor)| of(ours) / of(floor)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

fn median(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    middle(&values)
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
