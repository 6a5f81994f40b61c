//! What was once said between agent and controller, and between an agent and its successor, keeps its meaning: fields,
//! values and methods are only added.
//!
//! The lists in `evolution` have everything there is. A line of them that is no longer true breaks agents and
//! controllers of the version before. A new line is written there by `ENTROPOOL_EVOLVE=1 cargo test -p entropool-proto`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

const LISTS: [(&str, &str); 2] = [
    ("entropool/delivery/v1alpha1/delivery.proto", "evolution/delivery.v1alpha1.txt"),
    ("entropool/handover/v1/handover.proto", "evolution/handover.v1.txt"),
];

fn current(of: &str) -> BTreeSet<String> {
    let set = protox::compile([of], ["proto"]).unwrap();
    let file = set.file.into_iter().find(|file| file.name() == of).unwrap();
    let mut lines = BTreeSet::new();
    methods(&file, &mut lines);
    file.message_type.iter().for_each(|message| fields(message, &mut lines));
    file.enum_type.iter().for_each(|of| values(of, &mut lines));
    lines
}

fn methods(file: &FileDescriptorProto, lines: &mut BTreeSet<String>) {
    for service in &file.service {
        for method in &service.method {
            let stream = |streams: bool| if streams { "stream " } else { "" };
            lines.insert(format!(
                "rpc {}.{}.{}({}{}) {}{}",
                file.package(),
                service.name(),
                method.name(),
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type(),
            ));
        }
    }
}

fn fields(message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    assert!(message.nested_type.is_empty() && message.enum_type.is_empty(), "not looked into here");
    for field in &message.field {
        lines.insert(format!("message {} {}", message.name(), spelled(message, field)));
    }
}

/// Names are no part of the encoding, but of the code on both sides.
fn spelled(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let of = if field.type_name().is_empty() {
        format!("{:?}", field.r#type())
    } else {
        field.type_name().to_owned()
    };
    let oneof = field.oneof_index.map_or(String::new(), |index| {
        let index = usize::try_from(index).unwrap();
        format!(" of {}", message.oneof_decl[index].name())
    });
    format!("{} = {}: {:?} {of}{oneof}", field.name(), field.number(), field.label())
}

fn values(of: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    for value in &of.value {
        lines.insert(format!("enum {} {} = {}", of.name(), value.name(), value.number()));
    }
}

#[test]
fn what_was_once_said_keeps_its_meaning() {
    for (file, list) in LISTS {
        compare(file, list);
    }
}

fn compare(file: &str, list: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(list);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let committed: BTreeSet<String> = committed.lines().map(str::to_owned).collect();
    let current = current(file);
    let broken: Vec<_> = committed.difference(&current).collect();
    assert!(broken.is_empty(), "no longer so, which breaks the version before: {broken:#?}");
    let added: Vec<_> = current.difference(&committed).collect();
    if env::var_os("ENTROPOOL_EVOLVE").is_some() {
        let lines: Vec<_> = current.iter().map(String::as_str).collect();
        return fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    assert!(added.is_empty(), "not in {list}: {added:#?}; ENTROPOOL_EVOLVE=1 adds them");
}
