//! States to save.

use entropool_agent::testing::checkpoint::{CheckpointState, SavedClient, SavedVm, from_json};

/// The state of a host with one pool, one class and that many VMs; no two numbers give equal parts.
pub(crate) fn state(vms: u64) -> CheckpointState {
    let text = serde_json::json!({
        "accepted": {
            "pools": {"default": {"generation": vms, "spec": {"rate": "512Ki/s"}}},
            "classes": {"gold": {"generation": vms, "spec": {"pool": "default", "rate": "64Ki/s"}}},
        },
        "lastGood": {"encoding": 1, "bytes": format!("{vms:08x}")},
    });
    let (mut state, left_out) = from_json(text.to_string().as_bytes()).unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
    for vm in 0..vms {
        let id = format!("virt-launcher-web-{vm:06}");
        state.vms.insert(id.clone(), member(vm));
        state.served.vms.insert(id, vms << 32 | vm);
    }
    state.served.classes.entry("default".to_owned()).or_default().insert("gold".to_owned(), vms << 40);
    state
}

fn member(vm: u64) -> SavedVm {
    SavedVm {
        namespace: format!("tenant-{:03}", vm % 100),
        pool: "default".to_owned(),
        class: Some("gold".to_owned()),
        client: if vm.is_multiple_of(2) { SavedClient::Qemu } else { SavedClient::Egd },
    }
}
