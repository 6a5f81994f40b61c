//! What a VM was kept from, in a sentence.

use super::amount::total;
use crate::view::Curbs;

/// Nothing for a VM that met no limit but those of its class.
pub(crate) fn curbs(curbs: Curbs) -> Option<String> {
    let met: Vec<_> = [
        ("connections that waited to be accepted (10 a second are)", curbs.delayed),
        (
            "connections closed for newer ones (it may have 4; fewer when descriptors are short)",
            curbs.replaced,
        ),
        ("requests answered with nothing (2000 a second get an answer)", curbs.unanswered),
        ("connections closed for asking ten times that for ten seconds", curbs.flooding),
        ("connections closed in the middle of a command (it has 10 s to end one)", curbs.stalled),
        ("connections closed for what is no EGD", curbs.garbage),
        ("times that it had sent more than is read at once", curbs.deferred),
        ("requests when it was owed 4Gi already", curbs.saturated),
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
        assert_eq!(curbs(Curbs::default()), None);
    }

    #[test]
    fn each_limit_has_its_words() {
        let all = Curbs {
            delayed: 1,
            replaced: 2,
            unanswered: 3,
            flooding: 4,
            stalled: 5,
            garbage: 6,
            deferred: 7,
            saturated: 8,
        };
        insta::assert_snapshot!(curbs(all).unwrap_or_default());
    }
}
