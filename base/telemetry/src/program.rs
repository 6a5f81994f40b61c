//! What every program says of itself: its version, and what the kernel counts for its process.

use std::fs;

use crate::families::{Family, MetricKind};
use crate::samples::Samples;

/// The kernel shows times to programs in hundredths of a second, on all architectures.
const TICKS_A_SECOND: f64 = 100.0;

static BUILD: Family = Family {
    name: "entropool_build_info",
    kind: MetricKind::Gauge,
    labels: &["program", "version"],
    help: "1, with the name and the version of the program",
};
static CPU: Family = Family {
    name: "process_cpu_seconds",
    kind: MetricKind::Counter,
    labels: &[],
    help: "Processor time that this process has used, in user mode and in the kernel, in seconds",
};
static MEMORY: Family = Family {
    name: "process_resident_memory_bytes",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Memory of this process that is resident, in bytes",
};
static DESCRIPTORS: Family = Family {
    name: "process_open_fds",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "File descriptors that this process has open",
};
static MOST_DESCRIPTORS: Family = Family {
    name: "process_max_fds",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "File descriptors that this process may have open at most",
};
static STARTED: Family = Family {
    name: "process_start_time_seconds",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "When this process started, in seconds since 1970",
};

/// The families of [`Samples::program`], for the page in docs/.
pub const PROGRAM: &[&Family] = &[&BUILD, &CPU, &MEMORY, &DESCRIPTORS, &MOST_DESCRIPTORS, &STARTED];

impl Samples {
    /// What the program says of itself. What `/proc` does not show is left out.
    pub fn program(&mut self, program: &str, version: &str) {
        self.integer(&BUILD, &[program, version], 1);
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (stat, boot) = (read("/proc/self/stat"), number_after(&read("/proc/stat"), "btime "));
        // The name in parentheses may contain anything; the state follows.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        if let (Some(user), Some(kernel)) = (ticks(11), ticks(12)) {
            self.fraction(&CPU, &[], (user + kernel) / TICKS_A_SECOND);
        }
        if let Some(kibibytes) = number_after(&read("/proc/self/status"), "VmRSS:") {
            self.gauge(&MEMORY, &[], kibibytes * 1024.0);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Without the one that reads the directory.
            let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
            self.integer(&DESCRIPTORS, &[], open.saturating_sub(1));
        }
        if let Some(most) = number_after(&read("/proc/self/limits"), "Max open files") {
            self.gauge(&MOST_DESCRIPTORS, &[], most);
        }
        if let (Some(boot), Some(started)) = (boot, ticks(19)) {
            self.gauge(&STARTED, &[], boot + started / TICKS_A_SECOND);
        }
    }
}

/// The number that follows `words` at the beginning of a line.
fn number_after(text: &str, words: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(words))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    #[test]
    fn a_program_says_its_version_and_what_its_process_uses() {
        let mut samples = Samples::default();
        samples.program("test", "1.2.3");
        let text = encode(&[], samples).expect("a string takes it");
        let value = |name: &str| -> f64 {
            let line =
                text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
            line.trim().parse().unwrap_or_else(|_| panic!("{line}"))
        };
        assert!(text.contains("entropool_build_info{program=\"test\",version=\"1.2.3\"} 1\n"), "{text}");
        assert!(text.contains("# TYPE process_cpu_seconds counter\n"), "{text}");
        assert!(value("process_cpu_seconds_total ") < 1e6);
        let memory = value("process_resident_memory_bytes ");
        assert!((1e5..1e11).contains(&memory), "{memory}");
        // Standard input, output and error at least.
        let open = value("process_open_fds ");
        assert!(open >= 1.0 && open <= value("process_max_fds "), "{open}");
        let made = fs::metadata("/proc/self").and_then(|about| about.modified()).expect("there is /proc");
        let made = made.duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
        let started = value("process_start_time_seconds ");
        assert!((made - started).abs() < 60.0, "{started}, and /proc/self is of {made}");
    }
}
