//! How many token reviews one peer may cost.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ::clock::{RateLimit, RateLimiter};
use delivery::{Span, Tick};

/// An agent needs a review when it connects and each five minutes; its pod has an address of its own, or its node's.
const REVIEWS: RateLimit = RateLimit::new(Span::seconds(1), 10);
/// Peers that are remembered. A stranger who has more addresses than this has as many times ten reviews.
const MAX_PEERS: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct ReviewLimits(Mutex<BTreeMap<IpAddr, RateLimiter>>);

impl ReviewLimits {
    /// Whether the peer may have a review now. Loopback is a proxy, and is not limited.
    pub(super) fn admit(&self, peer: IpAddr, now: Tick) -> bool {
        let peer = peer.to_canonical();
        if peer.is_loopback() {
            return true;
        }
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MAX_PEERS && !peers.contains_key(&peer) {
            // Those who asked for none lately have nothing to be remembered for.
            peers.retain(|_, limiter| limiter.ready_at(REVIEWS, now) > now);
            if peers.len() >= MAX_PEERS {
                return false;
            }
        }
        peers.entry(peer).or_default().admit(REVIEWS, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_peer_has_ten_reviews_and_one_a_second_and_takes_none_from_others() {
        let limits = ReviewLimits::default();
        let peer = |last: u8| IpAddr::from([192, 0, 2, last]);
        let at = |second: u64| Tick(0) + Span::seconds(1_000 + second);
        let admitted = |peer, now| (0..1_000).filter(|_| limits.admit(peer, now)).count();
        assert_eq!((admitted(peer(1), at(0)), admitted(peer(2), at(0))), (10, 10));
        assert_eq!(admitted(peer(1), at(3)), 3);
        // The same host by its other spelling.
        assert_eq!(admitted(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().into(), at(3)), 0);
        assert_eq!(admitted(Ipv4Addr::LOCALHOST.into(), at(3)), 1_000);
    }

    #[test]
    fn no_number_of_peers_costs_more_memory() {
        let limits = ReviewLimits::default();
        let now = Tick(0) + Span::seconds(1_000);
        for peer in 0..100_000_u32 {
            limits.admit(IpAddr::from(Ipv4Addr::from(0x0a00_0000 + peer)), now);
        }
        assert!(limits.0.lock().is_ok_and(|peers| peers.len() <= MAX_PEERS));
    }
}
