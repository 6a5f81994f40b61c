//! Every message comes back as it was said.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use delivery::{
    AgentCondition, AgentState, AgentSubscription, AlarmReport, BearerToken, BytesPerDay, ClassUse,
    EncodedResource, FromAgent, FromController, Hash, Move, Nack, PoolRefusal, Report, ResourceName,
    ServingState, SourceReport, SourceState, Span, SupplyReport, Update, Version, VmReport, VmsReport,
    WatchedKind,
};
use entropool_codec::{Bytes, agent, controller};
use prost::Message;
use proto::delivery as wire;

fn version() -> Version {
    [(WatchedKind::POOLS, 1), (WatchedKind::CLASSES, u64::MAX), (WatchedKind(4_000_000_000), 3)]
        .into_iter()
        .collect()
}

fn alarm() -> AlarmReport {
    let test = "RepetitionCount".to_owned();
    AlarmReport { ordinal: 3, test, count: 21, offset: 4096, permanent: true }
}

fn supply(serving: ServingState) -> SupplyReport {
    let all = [
        SourceState::Healthy,
        SourceState::Starting,
        SourceState::Suspect,
        SourceState::Unavailable,
        SourceState::Failed,
    ];
    let state = |health| SourceReport {
        name: "trng".to_owned(),
        health,
        reason: "Stalled".to_owned(),
        message: "why".to_owned(),
        alarm: (health != SourceState::Healthy).then(alarm),
    };
    SupplyReport { serving, message: "why".to_owned(), sources: all.into_iter().map(state).collect() }
}

fn report() -> Report {
    let condition = AgentCondition { status: true, reason: "R".to_owned(), message: "m".to_owned() };
    let vm = |place: Option<&str>| VmReport {
        pool: "p".to_owned(),
        class: "c".to_owned(),
        slot: place.map(str::to_owned),
        orphaned: place.is_none(),
    };
    let serving =
        [ServingState::Starting, ServingState::Promised, ServingState::Degraded, ServingState::Held];
    Report {
        agent: Some(AgentState { ready: true, conditions: BTreeMap::from([("T".to_owned(), condition)]) }),
        vms: Some(VmsReport {
            whole: true,
            vms: BTreeMap::from([("a".to_owned(), vm(Some("c"))), ("b".to_owned(), vm(None))]),
            gone: BTreeSet::from(["d".to_owned()]),
        }),
        usage: Some(BTreeMap::from([(
            ("p".to_owned(), "c".to_owned()),
            ClassUse { vms: 3, assured: BytesPerDay(9), waiting: 1 },
        )])),
        supplies: Some(serving.map(|serving| (format!("{serving:?}"), supply(serving))).into()),
    }
}

#[test]
fn what_an_agent_says_comes_back() {
    let refusal = || Nack::new("Why", "because");
    let said = [
        FromAgent::Subscribe(AgentSubscription {
            node: "node-1".to_owned(),
            agent_version: "0.1.0".to_owned(),
            capabilities: vec!["move".to_owned()],
            version: version(),
            held: BTreeMap::from([(ResourceName::from("pool/p"), Hash([7; 16]))]),
        }),
        FromAgent::Ack { nonce: 1, refused: Vec::new() },
        FromAgent::Ack { nonce: 1, refused: vec![PoolRefusal { pool: "p".to_owned(), refusal: refusal() }] },
        FromAgent::Nack { nonce: 2, refusal: refusal() },
        FromAgent::Report(report()),
        FromAgent::Report(Report::default()),
        FromAgent::Token(BearerToken::new("secret")),
        FromAgent::Moved { ticket: 3, result: Ok(()) },
        FromAgent::Moved { ticket: 4, result: Err(refusal()) },
    ];
    for message in said {
        let bytes = agent::to_proto(message.clone()).encode_to_vec();
        assert_eq!(agent::from_proto(wire::FromAgent::decode(&*bytes).unwrap()), Ok(message));
    }
}

#[test]
fn what_a_controller_says_comes_back() {
    let item = EncodedResource { hash: Hash([1; 16]), body: Bytes::from_static(b"body") };
    let said = [
        FromController::Update(Update {
            nonce: u64::MAX,
            version: version(),
            base: Hash([3; 16]),
            changed: vec![(ResourceName::from("pool/p"), item)],
            removed: vec![ResourceName::from("class/p/c")],
            listed: true,
        }),
        FromController::Move(Move { ticket: 1, uid: "u".to_owned(), class: "c".to_owned() }),
        FromController::Authenticate,
        FromController::Goodbye { spread: Span::millis(1_500) },
    ];
    for message in said {
        let bytes = controller::to_proto(message.clone()).encode_to_vec();
        let back = controller::from_proto(wire::FromController::decode(Bytes::from(bytes)).unwrap());
        assert_eq!(back, Ok(message));
    }
}

#[test]
fn an_agent_in_step_is_told_so_in_few_bytes() {
    let seen = [
        (WatchedKind::POOLS, 1 << 40),
        (WatchedKind::CLASSES, 1 << 40),
        (WatchedKind::NAMESPACES, 1 << 40),
        (WatchedKind::NODES, 1 << 40),
    ];
    let update = Update {
        nonce: 1,
        version: seen.into_iter().collect(),
        base: Hash([3; 16]),
        changed: Vec::new(),
        removed: Vec::new(),
        listed: false,
    };
    let length = controller::to_proto(FromController::Update(update)).encoded_len();
    assert!(length <= 80, "{length} bytes");
}

#[test]
fn a_message_that_says_nothing_known_is_refused_and_so_is_a_hash_of_another_length() {
    let empty = agent::from_proto(wire::FromAgent { message: None }).unwrap_err();
    assert_eq!(empty.reason(), "MessageNotUnderstood");
    let update = wire::Update { base: vec![0; 15], ..wire::Update::default() };
    let message = wire::from_controller::Message::Update(update);
    let refused = controller::from_proto(wire::FromController { message: Some(message) }).unwrap_err();
    assert_eq!(refused.to_string(), "base is 15 bytes: it must have 16 bytes");
}

#[test]
fn a_subscription_has_no_more_than_a_node_can_hold() {
    let held = |count: usize, name: usize| {
        let held = wire::Held { name: "n".repeat(name), hash: vec![1; 16] };
        let subscription = wire::Subscription {
            node: "n".to_owned(),
            held: vec![held; count],
            ..wire::Subscription::default()
        };
        let message = wire::from_agent::Message::Subscribe(subscription);
        agent::from_proto(wire::FromAgent { message: Some(message) }).map(drop)
    };
    assert_eq!(held(32_768, 256), Ok(()));
    assert!(held(32_769, 1).unwrap_err().to_string().contains("it is 32768 at most"));
    assert!(held(1, 257).unwrap_err().to_string().contains("it has 256 bytes at most"));
    let seen = (0..100_000).map(|kind| wire::Seen { kind, resource_version: 1 }).collect();
    let subscription =
        wire::Subscription { version: Some(wire::Version { seen }), ..wire::Subscription::default() };
    let message = wire::from_agent::Message::Subscribe(subscription);
    let FromAgent::Subscribe(kept) = agent::from_proto(wire::FromAgent { message: Some(message) }).unwrap()
    else {
        panic!("it is a subscription")
    };
    assert_eq!(kept.version.seen().count(), 64);
}

#[test]
fn a_refusal_is_a_word_and_a_sentence_however_long_it_is() {
    let (reason, message) = ("R".repeat(100_000), "ü".repeat(100_000));
    let nack = wire::Nack { nonce: 1, reason, message };
    let nack = wire::FromAgent { message: Some(wire::from_agent::Message::Nack(nack)) };
    let FromAgent::Nack { refusal, .. } = agent::from_proto(nack).unwrap() else { panic!("it is a nack") };
    assert_eq!((refusal.reason.len(), refusal.message.len()), (64, 1_024));
}

#[test]
fn a_token_is_not_printed() {
    assert_eq!(format!("{:?}", FromAgent::Token(BearerToken::new("secret"))), "Token(BearerToken(…))");
}
