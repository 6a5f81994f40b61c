//! What a controller does about an agent that is not as it should be.

use std::sync::Arc;

use entropool_delivery::publisher::{AckState, PublisherTask, ReviewOutcome, StreamEnd};
use entropool_delivery::{
    AgentSubscription, BearerToken, FromAgent, FromController, Move, Nack, PoolRefusal, Publisher, Report,
    Span, Tick, WatchedKind,
};

use crate::world::{Body, NODE, content, version};

fn at(seconds: u64) -> Tick {
    Tick(0) + Span::seconds(seconds)
}

fn subscribe(node: &str) -> FromAgent {
    FromAgent::Subscribe(AgentSubscription { node: node.to_owned(), ..AgentSubscription::default() })
}

fn tasks(publisher: &mut Publisher<Body>, now: Tick) -> Vec<PublisherTask<Body>> {
    std::iter::from_fn(|| publisher.poll(now)).collect()
}

/// One whose agent runs what it should.
fn programmed() -> Publisher<Body> {
    let mut publisher = Publisher::new(at(0), NODE);
    publisher.publish(version(1, 1), content(&[("pool/p", 1)]));
    publisher.handle(at(0), subscribe(NODE));
    assert_eq!(tasks(&mut publisher, at(0)).len(), 1);
    publisher.handle(at(0), FromAgent::Ack { nonce: 1, refused: Vec::new() });
    assert_eq!(publisher.ack_state(), AckState::Programmed);
    publisher
}

#[test]
fn one_that_does_not_subscribe_is_hung_up_on() {
    let mut publisher = Publisher::<Body>::new(at(0), NODE);
    assert_eq!(tasks(&mut publisher, at(9)), []);
    assert_eq!(publisher.wake_at(), Some(at(10)));
    assert_eq!(tasks(&mut publisher, at(10)), [PublisherTask::End(StreamEnd::NotSubscribed)]);
    assert_eq!(tasks(&mut publisher, at(20)), []);
}

#[test]
fn one_that_subscribes_for_another_node_gets_not_a_byte() {
    let mut publisher = Publisher::new(at(0), NODE);
    publisher.publish(version(1, 1), content(&[("pool/p", 1)]));
    publisher.handle(at(0), subscribe("node-2"));
    let end = PublisherTask::End(StreamEnd::ForeignNode { node: "node-2".to_owned() });
    assert_eq!(tasks(&mut publisher, at(0)), [end]);
}

#[test]
fn one_that_does_not_answer_is_asked_three_times() {
    let mut publisher = Publisher::new(at(0), NODE);
    publisher.publish(version(1, 1), content(&[("pool/p", 1)]));
    publisher.handle(at(0), subscribe(NODE));
    for second in [0, 5, 10] {
        let sent = tasks(&mut publisher, at(second));
        assert!(matches!(&sent[..], [PublisherTask::Send(FromController::Update(_))]), "{second}: {sent:?}");
        assert_eq!(publisher.ack_state(), AckState::Behind);
    }
    assert_eq!(tasks(&mut publisher, at(15)), [PublisherTask::End(StreamEnd::Silent)]);
}

#[test]
fn an_answer_that_is_missing_is_missed_also_when_the_edit_was_taken_back() {
    let mut publisher = programmed();
    publisher.publish(version(2, 1), content(&[("pool/p", 2)]));
    tasks(&mut publisher, at(1));
    publisher.publish(version(3, 1), content(&[("pool/p", 1)]));
    // The agent may run either.
    assert_eq!(publisher.ack_state(), AckState::Behind);
    let sent = tasks(&mut publisher, at(6));
    assert!(matches!(&sent[..], [PublisherTask::Send(FromController::Update(_))]), "{sent:?}");
}

#[test]
fn a_list_is_asked_for_once_and_may_take_its_time() {
    let mut publisher = Publisher::new(at(0), NODE);
    publisher.publish(version(1, 1), content(&[("pool/p", 1)]));
    let newer =
        AgentSubscription { node: NODE.to_owned(), version: version(1, 2), ..AgentSubscription::default() };
    publisher.handle(at(0), FromAgent::Subscribe(newer.clone()));
    assert_eq!(tasks(&mut publisher, at(0)), [PublisherTask::Relist(vec![WatchedKind::CLASSES])]);
    assert_eq!(tasks(&mut publisher, at(9)), []);
    publisher.listed();
    let sent = tasks(&mut publisher, at(9));
    let older = |task: &PublisherTask<Body>| matches!(task, PublisherTask::Send(FromController::Update(update)) if update.listed);
    assert!(sent.len() == 1 && older(&sent[0]), "{sent:?}");
    publisher.handle(at(10), FromAgent::Subscribe(newer));
    assert_eq!(tasks(&mut publisher, at(10)), [PublisherTask::Relist(vec![WatchedKind::CLASSES])]);
}

#[test]
fn an_answer_to_something_else_is_none() {
    let mut publisher = Publisher::new(at(0), NODE);
    publisher.publish(version(1, 1), content(&[("pool/p", 1)]));
    publisher.handle(at(0), subscribe(NODE));
    tasks(&mut publisher, at(0));
    publisher.handle(at(0), FromAgent::Ack { nonce: 7, refused: Vec::new() });
    publisher.handle(at(0), FromAgent::Nack { nonce: 0, refusal: Nack::new("No", "no") });
    assert_eq!(publisher.ack_state(), AckState::Behind);
}

#[test]
fn a_refusal_is_known_with_its_sentence_until_something_else_is_to_be_run() {
    let mut publisher = programmed();
    publisher.publish(version(2, 2), content(&[("pool/p", 2)]));
    tasks(&mut publisher, at(1));
    let refusal = Nack::new("SourceNotPermitted", "--allow-device names no /dev/x");
    publisher.handle(at(1), FromAgent::Nack { nonce: 2, refusal: refusal.clone() });
    assert_eq!(publisher.ack_state(), AckState::Refused(refusal));
    assert_eq!(tasks(&mut publisher, at(2)), []);
    publisher.publish(version(3, 3), content(&[("pool/p", 3)]));
    assert_eq!(publisher.ack_state(), AckState::Behind);
}

#[test]
fn pools_that_are_refused_alone_are_known_and_sent_again_only_with_the_next_change() {
    let refused = |pool: &str| PoolRefusal { pool: pool.to_owned(), refusal: Nack::new("NoMemory", "why") };
    let first = content(&[("pool/p", 1), ("class/p/a", 1), ("pool/q", 1)]);
    let mut publisher = Publisher::new(at(0), NODE);
    publisher.publish(version(1, 1), Arc::clone(&first));
    publisher.handle(at(0), subscribe(NODE));
    tasks(&mut publisher, at(0));
    publisher.handle(at(0), FromAgent::Ack { nonce: 1, refused: Vec::new() });
    publisher.publish(version(2, 2), content(&[("pool/p", 2), ("class/p/b", 2), ("pool/q", 2)]));
    tasks(&mut publisher, at(1));
    // Of a pool twice, and of one that the set does not have.
    let answer = ["p", "p", "x"].map(refused).to_vec();
    publisher.handle(at(1), FromAgent::Ack { nonce: 2, refused: answer });
    assert_eq!(publisher.ack_state(), AckState::PoolsRefused(vec![refused("p")]));
    assert_eq!(tasks(&mut publisher, at(60)), []);
    let runs = content(&[("pool/p", 1), ("class/p/a", 1), ("pool/q", 2)]);
    publisher.publish(version(3, 3), content(&[("pool/p", 2), ("class/p/b", 2), ("pool/q", 3)]));
    let sent = tasks(&mut publisher, at(61));
    let [PublisherTask::Send(FromController::Update(update))] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(update.base, runs.digest());
    let changed: Vec<_> = update.changed.iter().map(|(name, _)| &**name).collect();
    assert_eq!((changed, update.removed.len()), (vec!["class/p/b", "pool/p", "pool/q"], 1));
    assert_eq!(publisher.ack_state(), AckState::Behind);
    publisher.handle(at(61), FromAgent::Ack { nonce: 3, refused: Vec::new() });
    assert_eq!(publisher.ack_state(), AckState::Programmed);
}

#[test]
fn a_token_is_asked_for_every_five_minutes() {
    let mut publisher = programmed();
    assert_eq!(tasks(&mut publisher, at(299)), []);
    assert_eq!(tasks(&mut publisher, at(300)), [PublisherTask::Send(FromController::Authenticate)]);
    publisher.handle(at(301), FromAgent::Token(BearerToken::new("t")));
    assert_eq!(tasks(&mut publisher, at(301)), [PublisherTask::ReviewToken(BearerToken::new("t"))]);
    publisher.reviewed(at(302), ReviewOutcome::Accepted);
    assert_eq!(tasks(&mut publisher, at(601)), []);
    assert_eq!(tasks(&mut publisher, at(602)), [PublisherTask::Send(FromController::Authenticate)]);
    assert_eq!(tasks(&mut publisher, at(632)), [PublisherTask::End(StreamEnd::NoToken)]);
}

#[test]
fn a_token_that_nobody_asked_for_is_not_reviewed() {
    let mut publisher = programmed();
    publisher.handle(at(1), FromAgent::Token(BearerToken::new("t")));
    assert_eq!(tasks(&mut publisher, at(1)), []);
}

#[test]
fn a_review_that_cannot_be_made_is_no_refusal() {
    let mut publisher = programmed();
    for round in 0..100 {
        let now = at(300 + 15 * round);
        assert_eq!(
            tasks(&mut publisher, now),
            [PublisherTask::Send(FromController::Authenticate)],
            "{round}"
        );
        publisher.handle(now, FromAgent::Token(BearerToken::new("t")));
        tasks(&mut publisher, now);
        publisher.reviewed(now, ReviewOutcome::Unavailable);
    }
}

#[test]
fn a_token_that_is_no_longer_good_ends_the_stream() {
    let mut publisher = programmed();
    tasks(&mut publisher, at(300));
    publisher.handle(at(300), FromAgent::Token(BearerToken::new("t")));
    tasks(&mut publisher, at(300));
    let refusal = Nack::new("UnknownPod", "there is no pod agent-x");
    publisher.reviewed(at(300), ReviewOutcome::Denied(refusal.clone()));
    assert_eq!(tasks(&mut publisher, at(300)), [PublisherTask::End(StreamEnd::Denied(refusal))]);
}

#[test]
fn one_that_leaves_says_so_first() {
    let mut publisher = programmed();
    publisher.leave(Span::seconds(2));
    let goodbye = FromController::Goodbye { spread: Span::seconds(2) };
    assert_eq!(
        tasks(&mut publisher, at(1)),
        [PublisherTask::Send(goodbye), PublisherTask::End(StreamEnd::Leaving)]
    );
}

#[test]
fn moves_and_reports_are_passed_on() {
    let mut publisher = programmed();
    let order = Move { ticket: 7, uid: "u".to_owned(), class: "gold".to_owned() };
    publisher.move_vm(order.clone());
    publisher.handle(at(1), FromAgent::Report(Report::default()));
    publisher.handle(at(1), FromAgent::Moved { ticket: 7, result: Ok(()) });
    let expected = [
        PublisherTask::Send(FromController::Move(order)),
        PublisherTask::Report(Report::default()),
        PublisherTask::Moved { ticket: 7, result: Ok(()) },
    ];
    assert_eq!(tasks(&mut publisher, at(1)), expected);
}
