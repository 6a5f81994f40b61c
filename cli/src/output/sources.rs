//! The table of `sources`.

use proto::local::{Alarm, Source, SourceFailures, SourceState};

use super::amount::{bits, duration, total};
use super::layout::{Layout, Severity};
use super::table::Table;
use super::wrap::wrapped;

pub(crate) const NO_SOURCES: &str = "No pool has a source.";

/// One row per source, and below the table which give raw samples, and why some are not healthy.
pub(crate) fn sources(sources: &[Source], layout: Layout) -> String {
    let below = sources.iter().filter_map(raw_samples).chain(why_not_healthy(sources));
    let below: String = below.map(|line| format!("\n{}", wrapped(&line, layout.width, 0))).collect();
    sources_table(sources).or(NO_SOURCES, layout) + &below
}

/// A byte of raw samples is not worth eight bits.
fn raw_samples(source: &Source) -> Option<String> {
    let h = bits(source.raw_min_entropy_thousandths?);
    Some(format!("{}/{}: raw samples, H {h} bits per byte: condition before use", source.pool, source.name))
}

/// A sentence for each source that is not healthy.
pub(crate) fn why_not_healthy(sources: &[Source]) -> impl Iterator<Item = String> + '_ {
    sources.iter().filter_map(why)
}

pub(crate) fn sources_table(sources: &[Source]) -> Table {
    let headers = [
        "POOL",
        "NAME",
        "+KIND",
        "+>TIER",
        "ACTIVE",
        "STATE",
        ">SINCE",
        "+>IN",
        ">CREDITED",
        ">FAILURES",
        "+LAST ALARM",
    ];
    let mut table = Table::new(&headers);
    for source in sources {
        let stats = source.stats.as_ref();
        let failures = stats.map(|stats| failures(&stats.failures.unwrap_or_default()));
        table.row([
            source.pool.clone(),
            source.name.clone(),
            source.kind.clone(),
            source.tier.to_string(),
            if source.active { "yes" } else { "no" }.to_owned(),
            state(source.state()).to_owned(),
            or_dash(source.duration.map(duration)),
            or_dash(stats.map(|stats| total(stats.bytes_in))),
            or_dash(stats.map(|stats| total(stats.bytes_credited))),
            or_dash(failures.map(|failures| failures.to_string())),
            or_dash(source.alarms.last().map(alarm)),
        ]);
        table.mark("STATE", severity(source.state()));
    }
    table
}

/// The test, and how long ago its alarm was.
fn alarm(alarm: &Alarm) -> String {
    format!("{} {}", alarm.test, duration(alarm.age))
}

fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

fn failures(failures: &SourceFailures) -> u64 {
    let SourceFailures { repetition_count, adaptive_proportion, block_tests, lost, structure } = failures;
    repetition_count + adaptive_proportion + block_tests + structure + lost
}

fn state(state: SourceState) -> &'static str {
    match state {
        SourceState::Unspecified => "-",
        SourceState::Starting => "starting",
        SourceState::Healthy => "healthy",
        SourceState::Suspect => "suspect",
        SourceState::Failed => "failed",
        SourceState::Unavailable => "unavailable",
    }
}

fn severity(state: SourceState) -> Option<Severity> {
    match state {
        SourceState::Failed => Some(Severity::Error),
        SourceState::Suspect | SourceState::Unavailable => Some(Severity::Warning),
        SourceState::Unspecified | SourceState::Starting | SourceState::Healthy => None,
    }
}

/// `pool/name: Reason: message`.
fn why(source: &Source) -> Option<String> {
    let (reason, message) = (source.reason.as_ref()?, source.message.as_deref().unwrap_or_default());
    Some(format!("{}/{}: {reason}: {message}", source.pool, source.name))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn sources_are_a_table_with_the_reasons_below() {
        insta::assert_snapshot!(sources(&samples::sources(), Layout::PLAIN));
        insta::assert_snapshot!("sources_wide", sources(&samples::sources(), Layout::WIDE));
    }

    #[test]
    fn raw_samples_are_labelled_with_what_they_are_worth() {
        let mut all = samples::sources();
        all[1].raw_min_entropy_thousandths = Some(250);
        let label = format!(
            "\n{}/{}: raw samples, H 0.25 bits per byte: condition before use\n",
            all[1].pool, all[1].name
        );
        assert!(sources(&all, Layout::PLAIN).contains(&label), "{}", sources(&all, Layout::PLAIN));
    }

    #[test]
    fn without_sources_there_is_a_sentence() {
        assert_eq!(sources(&[], Layout::PLAIN), "No pool has a source.\n");
    }
}
