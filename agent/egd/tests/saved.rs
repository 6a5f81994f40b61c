//! A session that is saved and restored anywhere goes on as if nothing had been.

#![allow(clippy::unwrap_used)]

use egd::{Demand, InvalidSnapshot, QueuedReply, Session, SessionSnapshot};
use proptest::prelude::*;

/// Serves one demand if there is one, and writes a bit of what is pending.
fn serve(session: &mut Session, bytes: usize) -> Vec<String> {
    match session.demand() {
        Demand::Blocking(owed) => session.grant(owed.min(bytes as u64)),
        _ if session.backlog_full() => {}
        Demand::None => {}
        Demand::NonBlocking(asked) => session.answer_non_blocking(asked.min(7)),
        Demand::Level => session.answer_level(9),
        Demand::Pid => session.answer_pid(4711),
    }
    let seen = session.outputs().map(|output| format!("{output:?}")).collect();
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
    fn at_any_byte(input in commands(), cut in any::<prop::sample::Index>(), steps in prop::collection::vec(0..300_usize, 0..20)) {
        let cut = cut.index(input.len() + 1);
        let mut kept = Session::new();
        let _ = kept.receive(&input[..cut]);
        for bytes in &steps[..steps.len() / 2] {
            serve(&mut kept, *bytes);
        }
        let mut moved = Session::restore(&kept.snapshot()).unwrap();
        prop_assert_eq!(moved.snapshot(), kept.snapshot());
        prop_assert_eq!(moved.receive(&input[cut..]), kept.receive(&input[cut..]));
        for bytes in &steps {
            prop_assert_eq!(serve(&mut moved, *bytes), serve(&mut kept, *bytes));
        }
        prop_assert_eq!(moved.counters(), kept.counters());
        prop_assert_eq!(moved.only_blocking_reads(), kept.only_blocking_reads());
        prop_assert_eq!(moved.partial_command(), kept.partial_command());
    }
}

#[test]
fn what_no_session_can_be_is_refused() {
    let refused = |saved: SessionSnapshot| Session::restore(&saved).map(|_| ()) == Err(InvalidSnapshot);
    let requests = |requests: Vec<_>| SessionSnapshot { requests, ..SessionSnapshot::default() };
    let replies = |replies: Vec<_>| SessionSnapshot { replies, ..SessionSnapshot::default() };
    assert!(refused(SessionSnapshot { partial: vec![0], ..SessionSnapshot::default() }), "a whole command");
    assert!(refused(SessionSnapshot { partial: vec![9], ..SessionSnapshot::default() }), "no command");
    assert!(refused(requests(vec![(Demand::None, 1)])));
    assert!(refused(requests(vec![(Demand::Pid, 0)])));
    assert!(refused(requests(vec![(Demand::Blocking((1 << 32) + 1), 1)])));
    assert!(refused(requests(vec![(Demand::Level, 1); 17])));
    assert!(refused(replies(vec![QueuedReply::Random(0)])));
    assert!(refused(replies(vec![QueuedReply::Literal(vec![])])));
    assert!(refused(replies(vec![QueuedReply::Literal(vec![7; 15])])));
    assert!(refused(replies(vec![QueuedReply::Random(1); 9])));
}
