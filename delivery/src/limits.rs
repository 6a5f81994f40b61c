//! Limits on the load that any client can put on a controller, authenticated or not.

use clock::{RateLimit, Span};

/// New streams over all agents, each of which costs a handshake and a token review: 1,000 a second, 500 at once. 5,000
/// agents that lose their controller at once are back in half of the 10 s that they have.
pub const STREAMS: RateLimit = RateLimit::per_second(1_000, 500);
/// A stream beyond the rate waits this long at most: an agent gives up an attempt after 5 s, and refusing one costs a
/// handshake and brings another.
pub const STREAM_WAITS: Span = Span::seconds(3);
/// Messages on one stream: 20 a second, 100 at once. A busy agent sends two or three a second.
pub const MESSAGES: RateLimit = RateLimit::per_second(20, 100);
/// The longest message of an agent, in bytes: ten times a report of 1,000 classes and 1,000 VMs.
pub const LONGEST_FROM_AGENT: usize = 1 << 20;
/// The longest message of a controller, in bytes. A controller is trusted, but an agent's memory is bounded.
pub const LONGEST_FROM_CONTROLLER: usize = 16 << 20;
/// Resources that an agent may say it holds, and the longest name of one: more than a node can have.
pub const MOST_HELD: usize = 32_768;
pub const LONGEST_RESOURCE_NAME: usize = 256;
/// The longest reason, and the longest sentence that an agent gives for one: the rest is cut off.
pub const LONGEST_WORD: usize = 64;
pub const LONGEST_MESSAGE: usize = 1_024;
/// Capabilities of an agent.
pub const MOST_CAPABILITIES: usize = 32;
/// Kinds of objects in a version: more than there will be.
pub const MOST_KINDS: usize = 64;
/// Streams on one connection: one, and one that takes its place.
pub const STREAMS_PER_CONNECTION: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use clock::{RateLimiter, Tick};

    #[test]
    fn agents_that_reconnect_together_are_queued_at_the_rate_after_a_burst() {
        let start = Tick(0) + Span::seconds(100);
        let mut limiter = RateLimiter::default();
        let mut admit = |now| limiter.admit_within(STREAMS, now, STREAM_WAITS);
        let waits: Vec<_> = (0..5_000).filter_map(|_| admit(start)).collect();
        assert_eq!(waits.iter().filter(|wait| wait.0 == 0).count(), 500);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!((waits.len(), waits.last()), (3_500, Some(&STREAM_WAITS)));
        // The refused ones used up nothing.
        assert_eq!(admit(start + Span::seconds(4)), Some(Span(0)));
    }
}
