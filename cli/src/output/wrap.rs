//! Prose in lines that fit the terminal.

use std::io;

use rustix::termios::tcgetwinsize;

/// The width where standard output is not a terminal.
pub(super) const DEFAULT_WIDTH: usize = 80;
/// Longer lines of prose are hard to read.
const MAX_PROSE: usize = 100;

/// The number of columns of the terminal on standard output.
pub(crate) fn width() -> usize {
    let columns = tcgetwinsize(io::stdout()).map(|size| usize::from(size.ws_col)).unwrap_or_default();
    if columns == 0 { DEFAULT_WIDTH } else { columns }
}

/// Whole words in lines of at most `width` columns, each after `indent` spaces.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let most = width.min(MAX_PROSE).saturating_sub(indent).max(20);
    text.lines().flat_map(|line| lines_of(line, most)).map(|line| format!("{:indent$}{line}\n", "")).collect()
}

/// Whole words in lines of at most `most` columns, if each word has fewer.
pub(super) fn lines_of(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= most {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_divided_and_no_line_is_longer() {
        let text = wrapped("It has waited for 3.2s and is owed 640 bytes", 24, 2);
        assert_eq!(text, "  It has waited for 3.2s\n  and is owed 640 bytes\n");
        assert_eq!(
            wrapped("a /very/long/path/that/does/not/fit b", 20, 0),
            "a\n/very/long/path/that/does/not/fit\nb\n"
        );
        assert_eq!(wrapped("", 80, 4), "");
    }
}
