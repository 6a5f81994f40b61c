//! What goes over the wire, command by command.
#![allow(clippy::unwrap_used)]

use egd::{Command, Demand, MAX_OWED, MAX_RUNS, ProtocolError, Reply, Session, SessionCounters};

const RANDOM: u8 = b'?';

fn session_after(input: &[u8]) -> Session {
    let mut session = Session::new();
    session.receive(input).unwrap();
    session
}

/// Answers the oldest request as a server with enough bytes does.
fn answer(session: &mut Session) {
    match session.demand() {
        Demand::None => {}
        Demand::Blocking(owed) => session.grant(owed),
        Demand::NonBlocking(requested) => session.answer_non_blocking(requested),
        Demand::Level => session.answer_level(1024),
        Demand::Pid => session.answer_pid(4711),
    }
}

fn pending(session: &Session) -> Vec<u8> {
    let mut wire = vec![];
    for reply in session.replies() {
        match reply {
            Reply::Literal(bytes) => wire.extend(bytes),
            Reply::Random(count) => wire.resize(wire.len() + usize::try_from(count).unwrap(), RANDOM),
        }
    }
    wire
}

fn reply(input: &[u8]) -> Vec<u8> {
    let mut session = session_after(input);
    let mut wire = vec![];
    while session.demand() != Demand::None {
        answer(&mut session);
        wire.extend(pending(&session));
        session.written(pending(&session).len());
    }
    assert_eq!(session.next_reply(), None);
    wire
}

#[test]
fn each_command_gets_its_exact_bytes() {
    assert_eq!(reply(&[0]), [0, 0, 0x20, 0]);
    assert_eq!(reply(&[1, 3]), [3, RANDOM, RANDOM, RANDOM]);
    assert_eq!(reply(&[2, 3]), [RANDOM; 3]);
    assert_eq!(reply(&[3, 0xff, 0xff, 2, 9, 9]), []);
    assert_eq!(reply(&[4]), b"\x044711");
}

#[test]
fn reads_of_zero_bytes_follow_the_protocol() {
    assert_eq!(reply(&[1, 0]), [0]);
    assert_eq!(reply(&[2, 0]), []);
    assert_eq!(reply(&[3, 0, 0, 0]), []);
}

#[test]
fn replies_keep_the_order_of_the_requests() {
    assert_eq!(reply(&[2, 1, 4, 1, 2, 0, 2, 1]), b"?\x044711\x02??\0\0\x20\0?");
}

#[test]
fn a_blocking_read_holds_back_later_requests() {
    let mut session = session_after(&[2, 4, 4]);
    session.grant(3);
    assert_eq!(session.demand(), Demand::Blocking(1));
    assert_eq!(pending(&session), [RANDOM; 3]);
    session.grant(1);
    assert_eq!(session.demand(), Demand::Pid);
}

#[test]
fn adjacent_blocking_reads_are_one_run() {
    let mut session = session_after(&[2, 0xff, 2, 1]);
    assert_eq!(session.demand(), Demand::Blocking(256));
    session.receive(&[3, 0, 8, 1, 0xaa, 2, 0, 2, 64]).unwrap();
    assert_eq!(
        session.demand(),
        Demand::Blocking(320),
        "neither a write nor a read of zero bytes ends a run"
    );
}

#[test]
fn a_level_is_in_bits_and_stops_at_what_four_bytes_hold() {
    for (bytes, bits) in
        [(0, 0), (1, 8), (0x1fff_ffff, 0xffff_fff8), (0x2000_0000, 0xffff_fff8), (u64::MAX, 0xffff_fff8)]
    {
        let mut session = session_after(&[0]);
        session.answer_level(bytes);
        assert_eq!(pending(&session), u32::to_be_bytes(bits), "{bytes} bytes");
    }
}

#[test]
fn a_pid_has_as_many_digits_as_it_needs() {
    for pid in [0, 7, 10, 99_999, 4_194_304, u32::MAX] {
        let mut session = session_after(&[4]);
        session.answer_pid(pid);
        let wire = pending(&session);
        assert_eq!(usize::from(wire[0]), wire.len() - 1);
        assert_eq!(wire[1..], *pid.to_string().as_bytes());
    }
}

#[test]
fn a_small_reply_has_two_parts_at_most() {
    let mut session = session_after(&[1, 255]);
    session.answer_non_blocking(255);
    assert_eq!(session.replies().collect::<Vec<_>>(), [Reply::Literal(&[255]), Reply::Random(255)]);
    assert_eq!(session.random_pending(), 255);
}

#[test]
fn adjacent_grants_are_one_part() {
    let mut session = session_after(&[2, 200, 2, 200]);
    session.grant(100);
    session.grant(300);
    assert_eq!(session.replies().collect::<Vec<_>>(), [Reply::Random(400)]);
}

#[test]
fn writes_may_end_anywhere() {
    let whole = reply(&[2, 3, 4, 1, 2]);
    for first in 0..=whole.len() {
        let mut session = session_after(&[2, 3, 4, 1, 2]);
        (0..3).for_each(|_| answer(&mut session));
        session.written(first);
        assert_eq!(pending(&session), whole[first..], "after {first} bytes");
        session.written(whole.len() - first);
        assert_eq!(session.next_reply(), None);
    }
}

#[test]
fn an_unknown_command_ends_the_session_whatever_follows() {
    let mut session = Session::new();
    assert_eq!(session.receive(&[2, 8, 5, 2, 8]), Err(ProtocolError::UnknownCommand(5)));
    assert_eq!(session.receive(&[2, 8]), Err(ProtocolError::UnknownCommand(5)));
    assert_eq!(session.demand(), Demand::Blocking(8));
    assert_eq!(ProtocolError::UnknownCommand(5).to_string(), "unknown command 0x05, EGD has 0x00 to 0x04");
    assert_eq!(ProtocolError::UnknownCommand(5).reason(), "UnknownCommand");
}

#[test]
fn a_seventeenth_run_ends_the_session() {
    let alternating = [0, 4].repeat(MAX_RUNS / 2);
    let mut session = session_after(&alternating);
    session.receive(&[4, 4, 4]).unwrap();
    assert_eq!(session.receive(&[1, 1]), Err(ProtocolError::TooManyRuns));
    assert_eq!(
        ProtocolError::TooManyRuns.to_string(),
        "too many alternating requests: more than 16 unanswered runs of different requests"
    );
    assert_eq!(ProtocolError::TooManyRuns.reason(), "TooManyRuns");
}

#[test]
fn reads_of_another_length_are_another_run() {
    let mut session = session_after(&[1, 8, 1, 8, 1, 9]);
    for length in [8, 8, 9] {
        assert_eq!(session.demand(), Demand::NonBlocking(length));
        session.answer_non_blocking(0);
    }
    assert_eq!(session.demand(), Demand::None);
}

#[test]
fn a_run_stops_growing_at_4_gib_and_is_still_served() {
    let flood = [2, 0xff].repeat(32 * 1024);
    let mut session = Session::new();
    for _ in 0..515 {
        session.receive(&flood).unwrap();
    }
    let requested: u64 = 515 * 32 * 1024;
    // The 16,843,010th request is the first that does not fit: 255 times as many bytes are 4 GiB and 254 bytes.
    let counters = SessionCounters {
        blocking: requested,
        saturations: requested - 16_843_009,
        ..SessionCounters::default()
    };
    assert_eq!(session.counters(), counters);
    assert_eq!(session.demand(), Demand::Blocking(MAX_OWED));
    session.grant(1000);
    session.receive(&[2, 0xff]).unwrap();
    assert_eq!(session.owed(), MAX_OWED - 745);
    assert_eq!(session.counters().saturations, counters.saturations);
}

#[test]
fn a_million_unread_replies_need_no_memory() {
    let mut session = Session::new();
    let flood = [1, 9].repeat(1_000_000);
    session.receive(&flood).unwrap();
    let mut answered = 0;
    while !session.backlog_full() {
        answer(&mut session);
        answered += 1;
    }
    assert!(answered >= 3, "clients may pipeline a little");
    assert_eq!(session.demand(), Demand::NonBlocking(9), "the rest stays queued");
    session.written(10);
    assert!(!session.backlog_full(), "reading one answer makes room for one");
}

#[test]
fn there_is_always_room_for_a_grant() {
    let mut session = session_after(&[1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 2, 1, 0]);
    while !session.backlog_full() {
        answer(&mut session);
    }
    while session.demand() != Demand::Blocking(1) {
        let first = pending(&session).len().min(1);
        session.written(first);
        if !session.backlog_full() {
            answer(&mut session);
        }
    }
    session.grant(1);
    assert_eq!(session.demand(), Demand::Level);
    assert_eq!(pending(&session).last(), Some(&RANDOM));
}

#[test]
fn a_command_is_partial_until_its_last_byte() {
    let mut session = Session::new();
    for (byte, partial) in
        [(3, true), (0, true), (8, true), (2, true), (7, true), (7, false), (2, true), (1, false), (0, false)]
    {
        session.receive(&[byte]).unwrap();
        assert_eq!(session.partial_command(), partial);
    }
}

#[test]
fn only_a_peer_that_sends_nothing_but_0x02_counts_bytes() {
    let mut session = Session::new();
    assert!(!session.only_blocking_reads(), "it has sent nothing");
    session.receive(&[2]).unwrap();
    assert!(!session.only_blocking_reads(), "its command is incomplete");
    session.receive(&[64]).unwrap();
    assert!(session.only_blocking_reads());
    session.receive(&[1]).unwrap();
    assert!(!session.only_blocking_reads(), "it expects a count byte next");
}

#[test]
fn complete_commands_are_counted() {
    let mut wire = vec![];
    for command in
        [Command::Level, Command::ReadNonBlocking(1), Command::ReadBlocking(0), Command::Pid, Command::Pid]
    {
        command.encode(&mut wire);
    }
    Command::Write { bits: 65_535, length: 3 }.encode(&mut wire);
    wire.extend([2, 2]);
    let before = session_after(&wire).counters();
    assert_eq!((before.write, before.discarded), (0, 0), "its payload is not complete");
    wire.push(2);
    let counters = SessionCounters {
        level: 1,
        non_blocking: 1,
        blocking: 1,
        write: 1,
        pid: 2,
        discarded: 3,
        saturations: 0,
    };
    assert_eq!(session_after(&wire).counters(), counters);
}
