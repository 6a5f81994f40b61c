//! The table of `sources`.

use super::amount::{span, total};
use super::table::Table;
use crate::view::{Source, SourceState};

/// Instead of a table without rows.
pub(crate) const NO_SOURCES: &str = "No sources are active from.";

/// One line a source, and below the table why some are not healthy.
pub(crate) fn sources(sources: &[Source]) -> String {
    sources_table(sources).or(NO_SOURCES) + &why_not_healthy(sources)
}

/// Why some are not healthy.
pub(crate) fn why_not_healthy(sources: &[Source]) -> String {
    sources.iter().filter_map(why).collect()
}

/// The lines, to be put beside others'.
pub(crate) fn sources_table(sources: &[Source]) -> Table {
    let headers =
        ["POOL", "NAME", "KIND", ">TIER", "DRAWN", "STATE", ">SINCE", ">IN", ">CREDITED", ">FAILURES"];
    let mut table = Table::new(&headers);
    for source in sources {
        let counted = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), total);
        let stats = source.stats.as_ref();
        table.row([
            source.pool.clone(),
            source.name.clone(),
            source.kind.clone(),
            source.tier.to_string(),
            if source.active { "yes" } else { "no" }.to_owned(),
            state(source.state).to_owned(),
            source.lasted.map_or_else(|| "-".to_owned(), span),
            counted(stats.map(|stats| stats.bytes_in)),
            counted(stats.map(|stats| stats.bytes_credited)),
            stats.map_or_else(|| "-".to_owned(), |stats| stats.failures.sum().to_string()),
        ]);
    }
    table
}

fn state(state: SourceState) -> &'static str {
    match state {
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
    fn no_sources_are_a_sentence() {
        assert_eq!(sources(&[]), "No sources are active from.\n");
    }
}
