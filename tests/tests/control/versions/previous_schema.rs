//! What a peer of another version says and understands, by the description of its messages and no code of ours.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value};

const PACKAGE: &str = "entropool.delivery.v1alpha1";
/// As it was in the version before.
const PREVIOUS: &str = include_str!("../../../../proto/evolution/delivery.v1alpha1.previous.proto");
/// As it is.
const CURRENT: &str = include_str!("../../../../proto/proto/entropool/delivery/v1alpha1/delivery.proto");
/// What the version after says in every message, and nobody knows yet.
const LATER: &str = "later";
/// A kind that nobody watches yet.
const LATER_KIND: i32 = 99;

/// A version of what agents and controllers say to each other.
pub(super) struct PreviousSchema {
    pool: DescriptorPool,
    is_next: bool,
    differences: AtomicUsize,
}

impl PreviousSchema {
    /// The version before this one: what came since is neither said nor understood.
    pub(super) fn previous() -> Self {
        Self { pool: compiled(PREVIOUS), is_next: false, differences: AtomicUsize::new(0) }
    }

    /// A version after this one: every message has a field more, there is a kind more, and messages of another sort.
    pub(super) fn next() -> Self {
        let line = |line: &str| {
            let later = format!("\n  string {LATER} = 100;");
            format!("{line}{}\n", if line.starts_with("message ") { &later } else { "" })
        };
        // A message without fields ends on the line it begins on.
        let source = CURRENT.replace(" {}\n", " {\n}\n").lines().map(line).collect::<String>();
        Self { pool: compiled(&source), is_next: true, differences: AtomicUsize::new(0) }
    }

    /// What becomes of a message when a peer of that version says or reads it; two where it says something of its own as well.
    pub(super) fn said(&self, name: &str, message: &Bytes) -> Vec<Bytes> {
        let mut said = DynamicMessage::decode(self.message(name), message.clone()).unwrap();
        self.rewrite(&mut said);
        let mut all = vec![said.encode_to_vec().into()];
        if self.is_next {
            let mut another = DynamicMessage::new(self.message(name));
            another.set_field_by_name(LATER, Value::String("of a sort that is yet to come".to_owned()));
            all.push(another.encode_to_vec().into());
        }
        all
    }

    /// In how many places it was otherwise than ours.
    pub(super) fn differences(&self) -> usize {
        self.differences.load(Ordering::SeqCst)
    }

    fn message(&self, name: &str) -> MessageDescriptor {
        self.pool.get_message_by_name(&format!("{PACKAGE}.{name}")).unwrap()
    }

    fn rewrite(&self, message: &mut DynamicMessage) {
        let name = message.descriptor().name().to_owned();
        let differences = if self.is_next {
            message.set_field_by_name(LATER, Value::String("unheard of".to_owned()));
            1
        } else {
            message.take_unknown_fields().count()
        };
        self.differences.fetch_add(differences, Ordering::SeqCst);
        for (field, value) in message.fields_mut() {
            match value {
                Value::Message(inner) => self.rewrite(inner),
                Value::List(items) => self.rewrite_all(items),
                Value::Bytes(body) if name == "Resource" && field.name() == "body" => {
                    let mut inner = DynamicMessage::decode(self.message("Body"), body.clone()).unwrap();
                    self.rewrite(&mut inner);
                    *body = inner.encode_to_vec().into();
                }
                _ => {}
            }
        }
        if self.is_next && name == "Version" {
            let mut seen = DynamicMessage::new(self.message("Seen"));
            seen.set_field_by_name("kind", Value::EnumNumber(LATER_KIND));
            seen.set_field_by_name("resource_version", Value::U64(7));
            let all = message.get_field_by_name_mut("seen").and_then(Value::as_list_mut).unwrap();
            all.push(Value::Message(seen));
        }
    }

    fn rewrite_all(&self, items: &mut Vec<Value>) {
        let before = items.len();
        items.retain(|item| !matches!(item, Value::Message(message) if names_what_is_unknown(message)));
        self.differences.fetch_add(before - items.len(), Ordering::SeqCst);
        for item in items {
            if let Value::Message(inner) = item {
                self.rewrite(inner);
            }
        }
    }
}

/// Whether it is about a value that came later.
fn names_what_is_unknown(message: &DynamicMessage) -> bool {
    message.fields().any(|(field, value)| match (field.kind(), value) {
        (Kind::Enum(of), Value::EnumNumber(number)) => of.get_value(*number).is_none(),
        _ => false,
    })
}

fn compiled(source: &str) -> DescriptorPool {
    let dir = tempfile::tempdir().unwrap();
    let file = Path::new("delivery.proto");
    std::fs::write(dir.path().join(file), source).unwrap();
    let set = protox::compile([file], [dir.path()]).unwrap();
    DescriptorPool::decode(&*set.encode_to_vec()).unwrap()
}
