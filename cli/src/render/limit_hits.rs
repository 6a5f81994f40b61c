//! What a VM was kept from, in a sentence.

use super::amount::total;
use crate::view::LimitHits;

/// Nothing for a VM that met no limit but those of its class.
pub(crate) fn limit_hits(limit_hits: LimitHits) -> Option<String> {
    let met: Vec<_> = [
        ("connections that waited to be accepted (10 a second are)", limit_hits.delayed),
        (
            "connections closed for newer ones (it may have 4; fewer when descriptors are short)",
            limit_hits.replaced,
        ),
        ("requests answered with nothing (2000 a second get an answer)", limit_hits.unanswered),
        ("connections closed for asking ten times that for ten seconds", limit_hits.flooding),
        ("connections closed in the middle of a command (it has 10 s to end one)", limit_hits.stalled),
        ("connections closed for what is no EGD", limit_hits.garbage),
        ("times that it had sent more than is read at once", limit_hits.deferred),
        ("requests when it was owed 4Gi already", limit_hits.saturated),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(what, count)| format!("{what}: {}", total(count)))
    .collect();
    (!met.is_empty()).then(|| format!("It met limits of its own doing: {}.", met.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_that_does_nothing_odd_has_no_such_sentence() {
        assert_eq!(limit_hits(LimitHits::default()), None);
    }

    #[test]
    fn each_limit_has_its_words() {
        let all = LimitHits {
            delayed: 1,
            replaced: 2,
            unanswered: 3,
            flooding: 4,
            stalled: 5,
            garbage: 6,
            deferred: 7,
            saturated: 8,
        };
        insta::assert_snapshot!(limit_hits(all).unwrap_or_default());
    }
}
