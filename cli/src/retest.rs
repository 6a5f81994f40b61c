//! The retest of sources, and its verdict.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Result, bail};
use proto::local::{Source, SourceState};
use serde::Serialize;

use crate::client::DaemonClient;

/// How often the daemon is asked for the verdict.
const INTERVAL: Duration = Duration::from_millis(100);

/// What came of the retest of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RetestVerdict {
    pool: String,
    name: String,
    pub(crate) passed: bool,
    /// Why it did not pass, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The same as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Requests a retest of the sources of this name, `NAME` or `POOL/NAME`. If `wait` is set, waits until each has a verdict.
pub(crate) async fn retest(daemon: &mut DaemonClient, name: &str, wait: bool) -> Result<Vec<RetestVerdict>> {
    daemon.retest(name).await?;
    if !wait {
        return Ok(Vec::new());
    }
    loop {
        let sources = daemon.sources().await?.sources;
        let named: Vec<_> = sources.iter().filter(|source| is_named(source, name)).collect();
        if named.is_empty() {
            bail!("source {name} was removed before the retest had a verdict");
        }
        if let Some(verdicts) = named.into_iter().map(RetestVerdict::of).collect() {
            return Ok(verdicts);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Fails if a source did not pass.
pub(crate) fn all_passed<'a>(verdicts: impl Iterator<Item = &'a RetestVerdict>) -> Result<()> {
    match verdicts.filter(|verdict| !verdict.passed).count() {
        0 => Ok(()),
        1 => bail!("one source failed its retest"),
        several => bail!("{several} sources failed their retest"),
    }
}

/// The kernel's generator is not tested, whatever its name.
fn is_named(source: &Source, name: &str) -> bool {
    let (pool, name) = name.split_once('/').map_or((None, name), |(pool, name)| (Some(pool), name));
    source.stats.is_some() && pool.is_none_or(|pool| pool == source.pool) && source.name == name
}

impl RetestVerdict {
    /// `None` while the start-up test runs.
    fn of(source: &Source) -> Option<Self> {
        let passed = match source.state() {
            SourceState::Failed | SourceState::Unavailable => false,
            SourceState::Healthy if !source.retesting => true,
            _ => return None,
        };
        let (pool, name) = (source.pool.clone(), source.name.clone());
        let (reason, message) = (source.reason.clone(), source.message.clone());
        Some(Self { pool, name, passed, reason, message })
    }
}

/// `pool/name: passed`, or `pool/name: failed: Reason: message`.
impl Display for RetestVerdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.pool, self.name, if self.passed { "passed" } else { "failed" })?;
        let why = [&self.reason, &self.message].into_iter().flatten();
        why.filter(|_| !self.passed).try_for_each(|why| write!(f, ": {why}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::output::samples;

    #[test]
    fn a_verdict_waits_for_the_start_up_test_and_for_the_record_of_its_result() {
        let [_, mut trng, old] = <[Source; 3]>::try_from(samples::sources()).unwrap();
        trng.set_state(SourceState::Starting);
        trng.retesting = true;
        assert_eq!(RetestVerdict::of(&trng), None);
        trng.set_state(SourceState::Healthy);
        assert_eq!(RetestVerdict::of(&trng), None);
        trng.retesting = false;
        assert_eq!(RetestVerdict::of(&trng).unwrap().to_string(), "default/trng: passed");
        let failed = RetestVerdict::of(&old).unwrap();
        let why = "default/old: failed: RepetitionCount: the same byte came 21 times in a row";
        assert_eq!(failed.to_string(), why);
        assert_eq!(all_passed([failed].iter()).unwrap_err().to_string(), "one source failed its retest");
    }

    #[test]
    fn the_kernel_has_no_verdict() {
        let sources = samples::sources();
        let named = |name: &str| sources.iter().filter(|source| is_named(source, name)).count();
        assert_eq!(["kernel", "trng", "default/trng", "other/trng"].map(named), [0, 1, 1, 0]);
    }
}
