//! The line that a run leaves behind.

use std::fmt;

use serde_json::{Map, Value, json};

/// All that there is to say of one run.
#[derive(Debug)]
pub(crate) struct ResultLine {
    pub(crate) test: &'static str,
    pub(crate) seed: u64,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) figures: Map<String, Value>,
    pub(crate) failed: bool,
}

impl fmt::Display for ResultLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = json!({
            "test": self.test,
            "seed": self.seed,
            "count": self.count,
            "seconds": (self.seconds * 10.0).round() / 10.0,
            "figures": self.figures,
            "verdict": if self.failed { "failed" } else { "passed" },
        });
        line.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_json() {
        let figures = json!({"longest_wait_ms": 1234, "why": "a\nb"}).as_object().cloned();
        let (figures, seconds) = (figures.unwrap_or_default(), 12.345);
        let line = ResultLine { test: "kills", seed: 7, count: 200, seconds, figures, failed: true };
        assert_eq!(
            line.to_string(),
            r#"{"count":200,"figures":{"longest_wait_ms":1234,"why":"a\nb"},"seconds":12.3,"seed":7,"test":"kills","verdict":"failed"}"#
        );
    }
}
