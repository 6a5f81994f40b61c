//! The same bytes have the same effect, however the network splits them.
#![allow(clippy::unwrap_used)]

mod support;

use egd::{Demand, Reply, Session};
use proptest::prelude::*;
use support::script::fuzz_one;

/// Streams of mostly valid commands with short payloads.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![
        8 => any::<u8>().prop_map(|length| vec![2, length]),
        2 => Just(vec![0]),
        2 => any::<u8>().prop_map(|length| vec![1, length]),
        2 => (any::<[u8; 2]>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(bits, payload)| {
            let length = u8::try_from(payload.len()).unwrap();
            [&[3], &bits[..], &[length], &payload].concat()
        }),
        2 => Just(vec![4]),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(command, 0..60).prop_map(|commands| commands.concat())
}

/// The stream, split at the given positions.
fn pieces<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).map(|(start, end)| &stream[start..end]).collect()
}

/// Everything that a server can see of a session, and then all replies.
fn observe(mut session: Session) -> (Vec<String>, Vec<Vec<u8>>) {
    let seen = vec![
        format!("{:?} {:?}", session.counters(), session.receive(&[])),
        format!("{} {} {}", session.owed(), session.partial_command(), session.only_blocking_reads()),
    ];
    let mut written = vec![];
    while session.demand() != Demand::None {
        match session.demand() {
            Demand::Blocking(owed) => session.grant(owed),
            Demand::NonBlocking(requested) => session.answer_non_blocking(requested / 2),
            Demand::Level => session.answer_level(77),
            Demand::Pid => session.answer_pid(1234),
            Demand::None => unreachable!("the loop has ended"),
        }
        while let Some(reply) = session.next_reply() {
            let bytes = match reply {
                Reply::Literal(bytes) => bytes.to_vec(),
                Reply::Random(count) => vec![0; usize::try_from(count).unwrap()],
            };
            session.written(bytes.len());
            written.push(bytes);
        }
    }
    (seen, written)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn splitting_has_no_effect(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let mut whole = Session::new();
        let outcome = whole.receive(&stream);
        let mut cut = Session::new();
        let outcomes = pieces(&stream, &cuts).into_iter().map(|piece| cut.receive(piece)).collect::<Vec<_>>();
        prop_assert_eq!(outcomes.last(), Some(&outcome));
        prop_assert_eq!(observe(whole), observe(cut));
    }

    #[test]
    fn any_script_agrees_with_the_reference(script in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_one(&script);
    }

    #[test]
    fn any_stream_answered_in_any_rhythm_agrees_with_the_reference(stream in stream(), steps in prop::collection::vec(any::<u8>(), 1..80)) {
        let mut script = vec![];
        let mut rest = &stream[..];
        for step in steps {
            script.push(step);
            if step & 3 < 2 {
                let (chunk, later) = rest.split_at(rest.len().min(usize::from(step >> 2) + 1));
                // A chunk shorter than its step says would swallow the steps after it.
                rest = later;
                script.extend(chunk);
                if rest.is_empty() { break; }
            }
        }
        fuzz_one(&script);
    }
}
