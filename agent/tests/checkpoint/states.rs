//! Sample states.

use dataplane::Client;
use entropool_agent::testing::attachments::Attachment;
use entropool_agent::testing::checkpoint::{CheckpointState, from_json};

/// The state of a host with one pool, one class and that many VMs; no two numbers give equal parts.
pub(crate) fn state(vms: u64) -> CheckpointState {
    let text = serde_json::json!({
        "accepted": {
            "pools": {"default": {"generation": vms, "spec": {"rate": "512Ki/s"}}},
            "classes": {"gold": {"generation": vms, "spec": {"pool": "default", "rate": "64Ki/s"}}},
        },
        "lastGood": {"encoding": 1, "bytes": format!("{vms:08x}")},
    });
    let (mut state, skipped) = from_json(text.to_string().as_bytes()).unwrap();
    assert!(skipped.is_empty(), "{skipped:?}");
    for vm in 0..vms {
        let id = format!("virt-launcher-web-{vm:06}");
        state.vms.insert(id.clone(), attachment(&id, vm));
        state.served.vms.entry(id).or_default().bytes = vms << 32 | vm;
    }
    state
        .served
        .classes
        .entry("default".to_owned())
        .or_default()
        .entry("gold".to_owned())
        .or_default()
        .bytes = vms << 40;
    state
}

fn attachment(id: &str, vm: u64) -> Attachment {
    Attachment {
        id: id.to_owned(),
        namespace: format!("tenant-{:03}", vm % 100),
        pool: "default".to_owned(),
        class: Some("gold".to_owned()),
        client: if vm.is_multiple_of(2) { Client::Qemu } else { Client::Egd },
        ..Attachment::default()
    }
}
