//! The table of `sources`.

use proto::local::{Alarm, Source, SourceFailures, SourceState};

use super::amount::{bits, duration, total};
use super::table::Table;

pub(crate) const NO_SOURCES: &str = "No pool has a source.";

/// One row per source, and below the table which give raw samples, and why some are not healthy.
pub(crate) fn sources(sources: &[Source]) -> String {
    let raw: String = sources.iter().filter_map(raw_samples).collect();
    sources_table(sources).or(NO_SOURCES) + &raw + &why_not_healthy(sources)
}

/// A byte of raw samples is not worth eight bits.
fn raw_samples(source: &Source) -> Option<String> {
    let h = bits(source.raw_min_entropy_thousandths?);
    Some(format!(
        "\n{}/{}: raw samples, H {h} bits per byte: condition before use\n",
        source.pool, source.name
    ))
}

pub(crate) fn why_not_healthy(sources: &[Source]) -> String {
    sources.iter().filter_map(why).collect()
}

pub(crate) fn sources_table(sources: &[Source]) -> Table {
    let headers = [
        "POOL",
        "NAME",
        "KIND",
        ">TIER",
        "ACTIVE",
        "STATE",
        ">SINCE",
        ">IN",
        ">CREDITED",
        ">FAILURES",
        "LAST ALARM",
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

/// `pool/name: Reason: message`.
fn why(source: &Source) -> Option<String> {
    let (reason, message) = (source.reason.as_ref()?, source.message.as_deref().unwrap_or_default());
    Some(format!("\n{}/{}: {reason}: {message}\n", source.pool, source.name))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn sources_are_a_table_with_the_reasons_below() {
        insta::assert_snapshot!(sources(&samples::sources()));
    }

    #[test]
    fn raw_samples_are_labelled_with_what_they_are_worth() {
        let mut all = samples::sources();
        all[1].raw_min_entropy_thousandths = Some(250);
        let label = format!(
            "\n{}/{}: raw samples, H 0.25 bits per byte: condition before use\n",
            all[1].pool, all[1].name
        );
        assert!(sources(&all).contains(&label), "{}", sources(&all));
    }

    #[test]
    fn without_sources_there_is_a_sentence() {
        assert_eq!(sources(&[]), "No pool has a source.\n");
    }
}
