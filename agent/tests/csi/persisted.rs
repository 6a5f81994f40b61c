//! What outlives the agent: whether pod info is trusted, and the class that a pod was moved to.

use std::fs;

use delivery::NodeConfig;
use proto::local::local_client::LocalClient;
use proto::local::{ListVmsRequest, MoveRequest};
use tonic::Code;

use crate::config::config;
use crate::kubelet::{Kubelet, Pod, channel, draw};
use crate::node::Host;
use crate::program::Program;

#[test]
fn no_pod_is_published_before_a_controller_has_checked_the_csi_driver_object() {
    for (pod_info_on_mount, code, sentence) in [
        (None, Code::Unavailable, "does not know yet whether the CSIDriver has podInfoOnMount"),
        (Some(false), Code::FailedPrecondition, "has no podInfoOnMount: true"),
    ] {
        let host = Host::new();
        host.configure_as(&NodeConfig { pod_info_on_mount, ..config() });
        let program = Program::start(&host, "pod");
        program.wait_for_log("ready");
        let refused = Kubelet::of(&host).publish(&Pod::new(1)).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(sentence), "{refused}");
    }
}

#[test]
fn a_pod_is_in_the_class_it_was_moved_to_after_a_kill_too() {
    let (host, pod) = (Host::new(), Pod::new(1).class("two"));
    host.configure();
    let first = Program::start(&host, "pod");
    first.wait_for_log("ready");
    let target = Kubelet::of(&host).publish(&pod).unwrap();
    move_to(&host, &pod, "shared");
    assert!(journal(&host).contains("shared"), "the move is in the journal when the call returns");
    first.kill();
    let second = Program::start(&host, "pod");
    second.wait_for_log("ready");
    assert_eq!(classes(&host), ["shared"]);
    assert!(draw(&target.join("egd.sock"), 64).is_ok());
}

fn journal(host: &Host) -> String {
    let entries = fs::read_dir(host.path("run/attachments")).unwrap();
    entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

fn move_to(host: &Host, pod: &Pod, class: &str) {
    let request = MoveRequest { name: pod.uid.clone(), class: class.to_owned() };
    let socket = host.path("run/api.sock");
    let answer = async || LocalClient::new(channel(socket).await).r#move(request).await.map(drop);
    Kubelet::of(host).run(async |_| answer().await).unwrap();
}

fn classes(host: &Host) -> Vec<String> {
    let socket = host.path("run/api.sock");
    let ask = async || LocalClient::new(channel(socket).await).list_vms(ListVmsRequest::default()).await;
    let answer = Kubelet::of(host).run(async |_| ask().await).unwrap();
    answer.into_inner().vms.into_iter().map(|vm| vm.class).collect()
}
