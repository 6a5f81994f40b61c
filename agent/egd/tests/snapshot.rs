//! A session that is restored from a snapshot continues as if nothing had happened, wherever the snapshot is taken.

#![allow(clippy::unwrap_used)]

use egd::{Demand, InvalidSnapshot, QueuedReply, Session, SessionSnapshot};
use proptest::prelude::*;

/// Serves a demand if there is one, and writes a part of the pending replies.
fn serve(session: &mut Session, bytes: usize) -> Vec<String> {
    match session.demand() {
        Demand::Blocking(owed) => session.grant(owed.min(bytes as u64)),
        _ if session.backlog_full() => {}
        Demand::None => {}
        Demand::NonBlocking(requested) => session.answer_non_blocking(requested.min(7)),
        Demand::Level => session.answer_level(9),
        Demand::Pid => session.answer_pid(4711),
    }
    let seen = session.replies().map(|reply| format!("{reply:?}")).collect();
    let pending: u64 = session.snapshot().replies.iter().map(length).sum();
    session.written(bytes.min(usize::try_from(pending).unwrap()));
    seen
}

fn length(reply: &QueuedReply) -> u64 {
    match reply {
        QueuedReply::Literal(bytes) => bytes.len() as u64,
        QueuedReply::Random(count) => *count,
    }
}

fn commands() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![
        Just(vec![0]),
        any::<u8>().prop_map(|length| vec![1, length]),
        any::<u8>().prop_map(|length| vec![2, length]),
        (any::<[u8; 2]>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(bits, payload)| {
            [&[3, bits[0], bits[1], u8::try_from(payload.len()).unwrap()], &payload[..]].concat()
        }),
        Just(vec![4]),
    ];
    prop::collection::vec(command, 0..14).prop_map(|commands| commands.concat())
}

proptest! {
    #[test]
    fn a_session_continues_from_a_snapshot_at_any_byte(input in commands(), cut in any::<prop::sample::Index>(), steps in prop::collection::vec(0..300_usize, 0..20)) {
        let cut = cut.index(input.len() + 1);
        let mut original = Session::new();
        let _ = original.receive(&input[..cut]);
        for bytes in &steps[..steps.len() / 2] {
            serve(&mut original, *bytes);
        }
        let mut restored = Session::restore(&original.snapshot()).unwrap();
        prop_assert_eq!(restored.snapshot(), original.snapshot());
        prop_assert_eq!(restored.receive(&input[cut..]), original.receive(&input[cut..]));
        for bytes in &steps {
            prop_assert_eq!(serve(&mut restored, *bytes), serve(&mut original, *bytes));
        }
        prop_assert_eq!(restored.counters(), original.counters());
        prop_assert_eq!(restored.only_blocking_reads(), original.only_blocking_reads());
        prop_assert_eq!(restored.partial_command(), original.partial_command());
    }
}

#[test]
fn invalid_snapshots_are_rejected() {
    let rejected =
        |snapshot: SessionSnapshot| Session::restore(&snapshot).map(|_| ()) == Err(InvalidSnapshot);
    let requests = |requests: Vec<_>| SessionSnapshot { requests, ..SessionSnapshot::default() };
    let replies = |replies: Vec<_>| SessionSnapshot { replies, ..SessionSnapshot::default() };
    assert!(
        rejected(SessionSnapshot { partial: vec![0], ..SessionSnapshot::default() }),
        "a complete command"
    );
    assert!(
        rejected(SessionSnapshot { partial: vec![9], ..SessionSnapshot::default() }),
        "an unknown command"
    );
    assert!(rejected(requests(vec![(Demand::None, 1)])));
    assert!(rejected(requests(vec![(Demand::Pid, 0)])));
    assert!(rejected(requests(vec![(Demand::Blocking((1 << 32) + 1), 1)])));
    assert!(rejected(requests(vec![(Demand::Level, 1); 17])));
    assert!(rejected(replies(vec![QueuedReply::Random(0)])));
    assert!(rejected(replies(vec![QueuedReply::Literal(vec![])])));
    assert!(rejected(replies(vec![QueuedReply::Literal(vec![7; 15])])));
    assert!(rejected(replies(vec![QueuedReply::Random(1); 9])));
}
