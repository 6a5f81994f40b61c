//! The switch between the two tiers, and what a replay overrides: read from the environment, which `make soak` sets.

use std::env;
use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::PathBuf;

/// Where lines are collected. That it is set is the switch.
const FILE: &str = "ENTROPOOL_SOAK";
const SEED: &str = "ENTROPOOL_SEED";
const COUNT: &str = "ENTROPOOL_COUNT";

/// What the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) file: Option<PathBuf>,
    pub(crate) seed: u64,
    count: Option<u64>,
}

impl Selection {
    pub(crate) fn from_environment() -> Self {
        Self::read(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let file = variable(FILE).map(PathBuf::from);
        let number = |name: &str| {
            let wrong = |value: &str| format!("{name} is {value:?}, and would have to be a whole number");
            variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{}", wrong(&value))))
        };
        let default = if file.is_some() { fresh() } else { 1 };
        Self { seed: number(SEED).unwrap_or(default), count: number(COUNT), file }
    }

    pub(crate) fn count(&self, small: u64, large: u64) -> u64 {
        self.count.unwrap_or(if self.file.is_some() { large } else { small })
    }

    /// Prints a line, and adds it to those collected.
    pub(crate) fn tell(&self, line: &str) {
        println!("{line}");
        let Some(path) = &self.file else { return };
        let file = OpenOptions::new().append(true).create(true).open(path);
        // One write, so that lines of tests that run at once stay whole. A line that is lost is missed by its reader.
        if let Err(error) = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())) {
            eprintln!("the line above is not in {}: {error}", path.display());
        }
    }
}

/// A seed that nobody has seen, short enough for every reader of JSON.
fn fresh() -> u64 {
    RandomState::new().hash_one(FILE) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(variables: &[(&str, &str)]) -> Selection {
        Selection::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_the_switch_a_test_is_small_and_always_the_same() {
        assert_eq!((switch(&[]).count(12, 200), switch(&[]).seed), (12, 1));
    }

    #[test]
    fn with_the_switch_it_is_large_and_each_run_another() {
        let [one, other] = [(); 2].map(|()| switch(&[(FILE, "lines")]));
        assert_eq!(one.count(12, 200), 200);
        assert_ne!(one.seed, other.seed, "one in four thousand million");
    }

    #[test]
    fn a_replay_says_seed_and_count_itself() {
        let replay = switch(&[(FILE, "lines"), (SEED, "7"), (COUNT, "1")]);
        assert_eq!((replay.seed, replay.count(12, 200)), (7, 1));
    }

    #[test]
    #[should_panic(expected = "ENTROPOOL_SEED is \"x\", and would have to be a whole number")]
    fn a_seed_that_is_no_number_is_refused() {
        switch(&[(SEED, "x")]);
    }

    #[test]
    fn lines_are_collected() {
        let file = env::temp_dir().join(format!("entropool-soak-lines-{}", std::process::id()));
        let switch = Selection { file: Some(file.clone()), seed: 1, count: None };
        switch.tell("one");
        switch.tell("two");
        let lines = std::fs::read_to_string(&file);
        let _ = std::fs::remove_file(&file);
        assert_eq!(lines.ok().as_deref(), Some("one\ntwo\n"));
    }
}
