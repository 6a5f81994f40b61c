//! Tests that do one thing many times: a few times in `make test`, very often in `make soak`.
//!
//! Such a test is one test, not two: it asks here how often, and leaves one line of JSON with its seed, count,
//! seconds, figures and verdict, also when it fails. It refuses to know what is tested, so that every crate may
//! have it among its `dev-dependencies`. Start with [`Run::begin`].
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods)] // A run says how many real seconds it took.

mod result_line;
mod rng;
mod selection;

use std::time::Instant;

use serde_json::{Map, Value};

use result_line::ResultLine;
pub use rng::Rng;
use selection::Selection;

/// One run of a counted test, from its beginning to its line.
#[derive(Debug)]
pub struct Run {
    test: &'static str,
    count: u64,
    switch: Selection,
    begun: Instant,
    figures: Map<String, Value>,
}

impl Run {
    /// Begins a run of the test of this name, which does its thing `small` times in `make test` and `large` times in
    /// `make soak`.
    pub fn begin(test: &'static str, small: u64, large: u64) -> Self {
        let switch = Selection::from_environment();
        let count = switch.count(small, large);
        println!("{test}: seed {}, {count} times", switch.seed);
        Self { test, count, switch, begun: Instant::now(), figures: Map::new() }
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What everything random in it follows from. In `make test` it is always the same.
    pub fn seed(&self) -> u64 {
        self.switch.seed
    }

    /// Numbers that follow from the seed.
    pub fn dice(&self) -> Rng {
        Rng::new(self.seed())
    }

    /// Whether this is `make soak`: for a test that has more to vary than its count.
    pub fn is_long(&self) -> bool {
        self.switch.file.is_some()
    }

    /// Notes a figure for the line: a number, or a word.
    pub fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let line = ResultLine {
            test: self.test,
            seed: self.seed(),
            count: self.count,
            seconds: self.begun.elapsed().as_secs_f64(),
            figures: std::mem::take(&mut self.figures),
            failed: std::thread::panicking(),
        };
        self.switch.tell(&line.to_string());
    }
}
