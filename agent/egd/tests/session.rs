//! What goes over the wire, command by command.
#![allow(clippy::unwrap_used)]

use egd::{Command, Counters, Demand, MAX_OWED, MAX_RUNS, Output, ProtocolError, Session};

/// What random bytes look like here.
const RANDOM: u8 = b'?';

fn heard(input: &[u8]) -> Session {
    let mut session = Session::new();
    session.receive(input).unwrap();
    session
}

/// Answers the oldest request as a server with plenty would.
fn answer(session: &mut Session) {
    match session.demand() {
        Demand::None => {}
        Demand::Blocking(owed) => session.grant(owed),
        Demand::NonBlocking(asked) => session.answer_non_blocking(asked),
        Demand::Level => session.answer_level(1024),
        Demand::Pid => session.answer_pid(4711),
    }
}

fn pending(session: &Session) -> Vec<u8> {
    let mut wire = vec![];
    for output in session.outputs() {
        match output {
            Output::Literal(bytes) => wire.extend(bytes),
            Output::Random(count) => wire.resize(wire.len() + usize::try_from(count).unwrap(), RANDOM),
        }
    }
    wire
}

fn reply(input: &[u8]) -> Vec<u8> {
    let mut session = heard(input);
    let mut wire = vec![];
    while session.demand() != Demand::None {
        answer(&mut session);
        wire.extend(pending(&session));
        session.written(pending(&session).len());
    }
    assert_eq!(session.next_output(), None);
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
fn reads_of_nothing_are_answered_as_the_protocol_says() {
    assert_eq!(reply(&[1, 0]), [0]);
    assert_eq!(reply(&[2, 0]), []);
    assert_eq!(reply(&[3, 0, 0, 0]), []);
}

#[test]
fn replies_keep_the_order_of_the_requests() {
    assert_eq!(reply(&[2, 1, 4, 1, 2, 0, 2, 1]), b"?\x044711\x02??\0\0\x20\0?");
}

#[test]
fn a_debt_holds_back_what_was_asked_after_it() {
    let mut session = heard(&[2, 4, 4]);
    session.grant(3);
    assert_eq!(session.demand(), Demand::Blocking(1));
    assert_eq!(pending(&session), [RANDOM; 3]);
    session.grant(1);
    assert_eq!(session.demand(), Demand::Pid);
}

#[test]
fn adjacent_blocking_reads_are_one_debt() {
    let mut session = heard(&[2, 0xff, 2, 1]);
    assert_eq!(session.demand(), Demand::Blocking(256));
    session.receive(&[3, 0, 8, 1, 0xaa, 2, 0, 2, 64]).unwrap();
    assert_eq!(session.demand(), Demand::Blocking(320), "neither a write nor a read of nothing parts a run");
}

#[test]
fn a_level_is_in_bits_and_stops_at_what_four_bytes_hold() {
    for (bytes, bits) in
        [(0, 0), (1, 8), (0x1fff_ffff, 0xffff_fff8), (0x2000_0000, 0xffff_fff8), (u64::MAX, 0xffff_fff8)]
    {
        let mut session = heard(&[0]);
        session.answer_level(bytes);
        assert_eq!(pending(&session), u32::to_be_bytes(bits), "{bytes} bytes");
    }
}

#[test]
fn a_pid_has_as_many_digits_as_it_needs() {
    for pid in [0, 7, 10, 99_999, 4_194_304, u32::MAX] {
        let mut session = heard(&[4]);
        session.answer_pid(pid);
        let wire = pending(&session);
        assert_eq!(usize::from(wire[0]), wire.len() - 1);
        assert_eq!(wire[1..], *pid.to_string().as_bytes());
    }
}

#[test]
fn a_small_reply_is_two_stretches_at_most() {
    let mut session = heard(&[1, 255]);
    session.answer_non_blocking(255);
    assert_eq!(session.outputs().collect::<Vec<_>>(), [Output::Literal(&[255]), Output::Random(255)]);
    assert_eq!(session.random_pending(), 255);
}

#[test]
fn neighbouring_grants_are_one_stretch() {
    let mut session = heard(&[2, 200, 2, 200]);
    session.grant(100);
    session.grant(300);
    assert_eq!(session.outputs().collect::<Vec<_>>(), [Output::Random(400)]);
}

#[test]
fn writes_may_end_anywhere() {
    let whole = reply(&[2, 3, 4, 1, 2]);
    for first in 0..=whole.len() {
        let mut session = heard(&[2, 3, 4, 1, 2]);
        (0..3).for_each(|_| answer(&mut session));
        session.written(first);
        assert_eq!(pending(&session), whole[first..], "after {first} bytes");
        session.written(whole.len() - first);
        assert_eq!(session.next_output(), None);
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
    let mut session = heard(&alternating);
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
    let mut session = heard(&[1, 8, 1, 8, 1, 9]);
    for asked in [8, 8, 9] {
        assert_eq!(session.demand(), Demand::NonBlocking(asked));
        session.answer_non_blocking(0);
    }
    assert_eq!(session.demand(), Demand::None);
}

#[test]
fn a_debt_stops_growing_at_4_gib_and_goes_on_being_paid() {
    let flood = [2, 0xff].repeat(32 * 1024);
    let mut session = Session::new();
    for _ in 0..515 {
        session.receive(&flood).unwrap();
    }
    let asked: u64 = 515 * 32 * 1024;
    // The 16,843,010th request is the first that does not fit: 255 times as many bytes are 4 GiB and 254 bytes.
    let counters = Counters { blocking: asked, saturations: asked - 16_843_009, ..Counters::default() };
    assert_eq!(session.counters(), counters);
    assert_eq!(session.demand(), Demand::Blocking(MAX_OWED));
    session.grant(1000);
    session.receive(&[2, 0xff]).unwrap();
    assert_eq!(session.owed(), MAX_OWED - 745);
    assert_eq!(session.counters().saturations, counters.saturations);
}

#[test]
fn a_million_unread_answers_take_no_room() {
    let mut session = Session::new();
    let flood = [1, 9].repeat(1_000_000);
    session.receive(&flood).unwrap();
    let mut answered = 0;
    while !session.backlog_full() {
        answer(&mut session);
        answered += 1;
    }
    assert!(answered >= 3, "QEMU's neighbours pipeline a little");
    assert_eq!(session.demand(), Demand::NonBlocking(9), "the rest stays asked");
    session.written(10);
    assert!(!session.backlog_full(), "one answer read makes room for one");
}

#[test]
fn a_grant_has_room_even_when_answers_have_none() {
    let mut session = heard(&[1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 2, 1, 0]);
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
fn only_a_peer_that_never_began_another_command_counts_bytes_alone() {
    let mut session = Session::new();
    assert!(!session.only_blocking_reads(), "it has not spoken");
    session.receive(&[2]).unwrap();
    assert!(!session.only_blocking_reads(), "it has not finished");
    session.receive(&[64]).unwrap();
    assert!(session.only_blocking_reads());
    session.receive(&[1]).unwrap();
    assert!(!session.only_blocking_reads(), "its next bytes from us would be a count");
}

#[test]
fn what_was_asked_is_counted() {
    let mut wire = vec![];
    for command in
        [Command::Level, Command::ReadNonBlocking(1), Command::ReadBlocking(0), Command::Pid, Command::Pid]
    {
        command.encode(&mut wire);
    }
    Command::Write { bits: 65_535, length: 3 }.encode(&mut wire);
    wire.extend([2, 2]);
    let before = heard(&wire).counters();
    assert_eq!((before.write, before.discarded), (0, 0), "its payload is not complete");
    wire.push(2);
    let counters =
        Counters { level: 1, non_blocking: 1, blocking: 1, write: 1, pid: 2, discarded: 3, saturations: 0 };
    assert_eq!(heard(&wire).counters(), counters);
}
