//! The filter of a log: levels, and levels of targets.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

/// Why a text is not a filter.
#[derive(Debug)]
pub enum InvalidFilter {
    /// A word that is not a level. The library would take it for a target, and log nothing else.
    NotALevel(String),
    Syntax(ParseError),
}

impl std::error::Error for InvalidFilter {}

impl Display for InvalidFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const EXAMPLES: &str =
            "error, warn, info, debug or trace, or levels of parts, such as info,dataplane=debug";
        match self {
            Self::NotALevel(word) => write!(f, "{word:?} is not a level; write {EXAMPLES}"),
            Self::Syntax(error) => write!(f, "it is not a filter ({error}); write {EXAMPLES}"),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<EnvFilter, InvalidFilter> {
    let is_level = |word: &str| !word.is_empty() && LevelFilter::from_str(word).is_ok();
    let words = text.split(',').map(str::trim);
    let bare = |word: &&str| !word.contains(['=', '[', ']', '{', '}', '"']);
    if let Some(word) = words.filter(bare).find(|word| !is_level(word)) {
        return Err(InvalidFilter::NotALevel(word.to_owned()));
    }
    EnvFilter::try_new(text).map_err(InvalidFilter::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_with_what_to_write() {
        for (text, word) in [("inof", "inof"), ("info,dataplane", "dataplane"), ("", "")] {
            let sentence = parse(text).map(|_| ()).map_err(|error| error.to_string());
            let expected = format!("{word:?} is not a level; write error, warn, info, debug or trace");
            assert!(sentence.as_ref().is_err_and(|it| it.starts_with(&expected)), "{text}: {sentence:?}");
        }
        assert!(parse("dataplane=inof").is_err_and(|it| matches!(it, InvalidFilter::Syntax(_))));
    }

    #[test]
    fn levels_and_levels_of_parts_are_filters() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,dataplane=debug",
            "entropool_agent::checkpoint=debug, warn",
            "[span]=info",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
