//! Writes bytes of one output of a pool to standard output, for programs that estimate min-entropy.
#![allow(clippy::disallowed_methods)] // A program has a clock.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Instant;

use source::health::MinEntropy;
use source::{DrawError, OnFailure, Output, Permissions, PoolSpec, SourceKind, SourceSpec, Sources};

const USAGE: &str =
    "usage: output-bytes raw|stretched|full-entropy BYTES [FILE of samples, instead of RDSEED]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let output = match words.next().as_deref() {
        Some("raw") => Output::Raw,
        Some("stretched") => Output::Stretched,
        Some("full-entropy") => Output::FullEntropy,
        _ => return Err(USAGE.into()),
    };
    let mut left: usize = words.next().ok_or(USAGE)?.parse()?;
    let kind = words.next().map_or(SourceKind::Rdseed, |path| SourceKind::File(PathBuf::from(path)));
    let permissions = Permissions { test_sources: true, ..Permissions::default() };
    let spec = PoolSpec {
        name: "estimated".to_owned(),
        sources: vec![SourceSpec {
            name: "source".to_owned(),
            kind,
            tier: 0,
            min_entropy: Some(MinEntropy::FULL_BYTE),
            credit_nested: false,
            block_tests: false,
        }],
        output,
        min_healthy: 1,
        on_failure: OnFailure::Hold,
    };
    let (waker, woken) = channel();
    let sources = Sources::new(permissions, now);
    let mut supply = sources.supply(&spec, move || {
        // The receiver lives as long as the supply.
        let _ = waker.send(());
    })?;
    let mut out = io::stdout().lock();
    while left > 0 {
        // So that the waker is called when bytes arrive.
        supply.level();
        match supply.with_bytes(left.min(1024), |bytes| out.write(bytes)) {
            Ok(count) => left -= count,
            Err(DrawError::Empty) => woken.recv()?,
            Err(DrawError::Take(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}
