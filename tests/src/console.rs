//! What a guest says on its serial line.

use std::str::FromStr;
use std::time::Duration;

/// One line of our init. Kernel messages and everything else are no reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The guest has booted and, unless it idles, loaded its driver.
    Up {
        /// Of its kernel.
        version: String,
        /// Since its kernel started.
        uptime: Duration,
    },
    /// The bytes it was told to show.
    Bytes(Secret),
    /// How much it has read since it began to flood.
    Count(Count),
    /// It has done what it was told and sleeps.
    Done,
}

/// A guest's own measurement, on the guest's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Since the guest's kernel started.
    pub uptime: Duration,
    /// Bytes of the flood so far.
    pub bytes: u64,
}

/// Random bytes, which no failed assertion may print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

impl Report {
    /// `None` for a line that is not one of our init's, or is cut short.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim().strip_prefix("entropool: ")?.split(' ');
        match (words.next()?, words.next(), words.next()) {
            ("up", Some(version), Some(at)) => {
                Some(Self::Up { version: version.to_owned(), uptime: uptime(at)? })
            }
            ("bytes", Some(hex), None) => unhex(hex).map(|bytes| Self::Bytes(Secret(bytes))),
            ("count", Some(at), Some(bytes)) => {
                Some(Self::Count(Count { uptime: uptime(at)?, bytes: bytes.parse().ok()? }))
            }
            ("done", None, None) => Some(Self::Done),
            _ => None,
        }
    }
}

/// `/proc/uptime` has seconds with two decimals.
fn uptime(text: &str) -> Option<Duration> {
    let (seconds, hundredths) = text.split_once('.')?;
    let hundredths = u64::from_str(hundredths).ok().filter(|_| hundredths.len() == 2)?;
    Some(Duration::from_millis(u64::from_str(seconds).ok()? * 1000 + hundredths * 10))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_line_of_the_init_is_a_report() {
        let up = Report::Up { version: "6.1.0-1".into(), uptime: Duration::from_millis(3070) };
        assert_eq!(Report::parse("entropool: up 6.1.0-1 3.07\r\n").unwrap(), up);
        assert_eq!(Report::parse("entropool: bytes 00ff").unwrap(), Report::Bytes(Secret(vec![0, 255])));
        let count = Count { uptime: Duration::from_millis(12_500), bytes: 64 };
        assert_eq!(Report::parse("entropool: count 12.50 64").unwrap(), Report::Count(count));
        assert_eq!(Report::parse("entropool: done").unwrap(), Report::Done);
    }

    #[test]
    fn kernel_messages_and_cut_lines_are_none() {
        for line in [
            "",
            "[    1.0] random: crng init done",
            "entropool: ",
            "entropool: count 12.50",
            "entropool: count 12 1",
        ] {
            assert_eq!(Report::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_failed_assertion_prints_no_random_byte() {
        assert_eq!(format!("{:?}", Report::Bytes(Secret(vec![7; 64]))), "Bytes((64 bytes))");
    }
}
