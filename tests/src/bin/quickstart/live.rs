//! Some seconds of `entropool top`.

use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use entropool_tests::Host;

/// What each of its tables begins with.
const HEADER: &str = "POOL";

/// Shows the live tree once a second, `seconds` times: on a terminal in one place, else one below
/// the other.
pub(crate) fn show(host: &Host, seconds: u32) -> Result<()> {
    let count = seconds.to_string();
    let mut top = host
        .asking(["top", "--vms", "--interval", "1s", "--count", &count])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(top.stdout.take().context("standard output is a pipe")?).lines();
    let mut screen = Screen { in_place: stdout().is_terminal(), height: 0 };
    for line in lines {
        screen.line(&line?)?;
    }
    ensure!(top.wait()?.success(), "entropool top has failed");
    Ok(())
}

struct Screen {
    in_place: bool,
    /// Lines of the table that stands there now.
    height: usize,
}

impl Screen {
    fn line(&mut self, line: &str) -> Result<()> {
        let mut out = stdout().lock();
        if line.starts_with(HEADER) && self.in_place && self.height > 0 {
            // Up to the first line of the old table, and clear all below.
            write!(out, "\x1b[{}A\x1b[J", self.height)?;
            self.height = 0;
        }
        writeln!(out, "{}", format!("  {line}").trim_end())?;
        self.height += 1;
        Ok(out.flush()?)
    }
}
