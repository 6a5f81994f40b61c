//! Publishing, repeating calls, and unpublishing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use dataplane::{AttachRequest, Client};
use entropool_agent::testing::attachments::{Attachment, AttachmentOrigin};
use entropool_agent::testing::csi::PodInfo;
use proto::csi::identity_client::IdentityClient;
use proto::csi::node_client::NodeClient;
use proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginInfoRequest, NodeGetCapabilitiesRequest, NodeGetInfoRequest,
    ProbeRequest,
};
use proto::registration::registration_client::RegistrationClient;
use proto::registration::{InfoRequest, RegistrationStatus};
use tonic::Code;

use crate::kubelet::{Kubelet, Pod, channel, draw};
use crate::node::{Host, Node};

#[test]
fn the_socket_listens_when_publish_returns_and_is_gone_after_unpublish() {
    let host = Host::new();
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let before = host.tree();
    let pod = Pod::new(1);
    let target = kubelet.publish(&pod).unwrap();
    assert_eq!(draw(&target.join("egd.sock"), 64).unwrap().len(), 64);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(node.vms(), [(pod.uid.clone(), "default".to_owned(), "shared".to_owned())]);
    kubelet.unpublish(&pod).unwrap();
    assert_eq!(node.vms(), []);
    assert_eq!(host.tree(), before, "nothing is left");
    assert_eq!(node.pod_host.changes.load(Ordering::Relaxed), 2);
}

#[test]
fn both_calls_may_be_repeated() {
    let host = Host::new();
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let pod = Pod::new(1).class("two");
    kubelet.publish(&pod).unwrap();
    let target = kubelet.publish(&pod).unwrap();
    assert_eq!(node.vms().len(), 1);
    assert!(draw(&target.join("egd.sock"), 1).is_ok());
    kubelet.unpublish(&pod).unwrap();
    kubelet.unpublish(&pod).unwrap();
    kubelet.call_unpublish("csi-never-seen", &target.to_string_lossy()).unwrap();
}

#[test]
fn a_repeated_call_repairs_a_removed_socket_or_directory() {
    let host = Host::new();
    let _node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let pod = Pod::new(1);
    let target = kubelet.publish(&pod).unwrap();
    fs::remove_file(target.join("egd.sock")).unwrap();
    kubelet.publish(&pod).unwrap();
    assert!(draw(&target.join("egd.sock"), 1).is_ok(), "the socket exists again");
    fs::remove_dir_all(&target).unwrap();
    kubelet.publish(&pod).unwrap();
    assert!(draw(&target.join("egd.sock"), 1).is_ok(), "and its directory");
}

#[test]
fn a_refused_pod_leaves_nothing() {
    let host = Host::new();
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    for number in [1, 2] {
        kubelet.publish(&Pod::new(number).class("two")).unwrap();
    }
    let refusals = [
        (Pod::new(3).class("two"), Code::ResourceExhausted, "two"),
        (Pod::new(4).class("lab"), Code::PermissionDenied, "namespace default may not use class lab"),
        (Pod::new(5).class("nowhere"), Code::NotFound, "nowhere"),
        (
            Pod { attributes: vec![("entropool.io/pool", "other".to_owned())], ..Pod::new(6) },
            Code::NotFound,
            "there is no pool other on this host",
        ),
    ];
    for (pod, code, sentence) in refusals {
        // The directories that the kubelet makes are its own.
        fs::create_dir_all(pod.target(&host.pods()).parent().unwrap()).unwrap();
        let before = host.tree();
        let refused = kubelet.publish(&pod).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(sentence), "{refused}");
        assert_eq!(host.tree(), before, "{refused}");
    }
    assert_eq!(node.vms().len(), 2);
}

#[test]
fn pod_info_is_trusted_only_if_the_csi_driver_object_has_pod_info_on_mount() {
    let host = Host::new();
    let node = Node::start_bare(&host);
    let kubelet = Kubelet::of(&host);
    let pod = Pod::new(1);
    fs::create_dir_all(pod.target(&host.pods()).parent().unwrap()).unwrap();
    let before = host.tree();
    let expect = |code, sentence: &str| {
        let refused = kubelet.publish(&pod).unwrap_err();
        assert_eq!((refused.code(), refused.message().contains(sentence)), (code, true), "{refused}");
        assert_eq!(host.tree(), before);
    };
    let set = |info| *node.pod_host.pod_info.lock().unwrap_or_else(PoisonError::into_inner) = info;
    expect(Code::Unavailable, "does not know yet");
    set(PodInfo::Off);
    expect(Code::FailedPrecondition, "podInfoOnMount");
    set(PodInfo::Verified);
    expect(Code::Unavailable, "no configuration yet");
    node.configure();
    kubelet.publish(&pod).unwrap();
    set(PodInfo::Off);
    kubelet.publish(&pod).expect("a published volume stays");
}

#[test]
fn a_vm_attached_through_the_api_is_not_a_pod_s() {
    let host = Host::new();
    let node = Node::start(&host);
    let pod = Pod::new(1);
    let request = AttachRequest {
        id: pod.uid.clone(),
        namespace: "lab".to_owned(),
        pool: "default".to_owned(),
        class: Some("lab".to_owned()),
        client: Client::Qemu,
    };
    let socket = node.agent.attachments().attach(Attachment::new(request, AttachmentOrigin::Api)).unwrap();
    let refused = Kubelet::of(&host).publish(&pod).unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
    assert_eq!(node.vms()[0].2, "lab");
    assert!(draw(&socket, 1).is_ok(), "it draws on");
}

#[test]
fn a_pod_draws_by_one_volume() {
    let host = Host::new();
    let _node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let pod = Pod::new(1);
    let target = kubelet.publish(&pod).unwrap();
    let mut second = pod.call(&host.pods());
    second.volume_id = "csi-second".to_owned();
    second.target_path = second.target_path.replace("/entropool/", "/another/");
    let refused = kubelet.call(second).unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("draws from one pool"), "{refused}");
    let mut elsewhere = pod.call(&host.pods());
    elsewhere.target_path = elsewhere.target_path.replace("/entropool/", "/another/");
    assert_eq!(kubelet.call(elsewhere).unwrap_err().code(), Code::AlreadyExists);
    let another = kubelet.call_unpublish("csi-another", &target.to_string_lossy()).unwrap_err();
    assert_eq!(another.code(), Code::FailedPrecondition);
    assert!(draw(&target.join("egd.sock"), 1).is_ok(), "the first is as it was");
}

#[test]
fn the_driver_has_its_name_and_no_optional_capability() {
    let host = Host::new();
    let _node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    kubelet.run(async |driver| {
        let mut identity = IdentityClient::new(driver.clone());
        let info = identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap().into_inner();
        assert_eq!(info.name, "csi.entropool.io");
        assert!(!info.vendor_version.is_empty());
        identity.get_plugin_capabilities(GetPluginCapabilitiesRequest {}).await.unwrap();
        assert_eq!(identity.probe(ProbeRequest {}).await.unwrap().into_inner().ready, Some(true));
        let mut node = NodeClient::new(driver);
        node.node_get_capabilities(NodeGetCapabilitiesRequest {}).await.unwrap();
        assert_eq!(node.node_get_info(NodeGetInfoRequest {}).await.unwrap().into_inner().node_id, "node-1");
    });
}

#[test]
fn the_driver_registers_with_the_kubelet() {
    let host = Host::new();
    let node = Node::start(&host);
    let path = host.path("kubelet/plugins_registry/csi.entropool.io-reg.sock");
    let kubelet = Kubelet::of(&host);
    kubelet.run(async |_| {
        let mut registration = RegistrationClient::new(channel(path.clone()).await);
        let info = registration.get_info(InfoRequest {}).await.unwrap().into_inner();
        assert_eq!((info.r#type.as_str(), info.name.as_str()), ("CSIPlugin", "csi.entropool.io"));
        assert_eq!(info.endpoint, host.path("kubelet/plugins/csi.entropool.io/csi.sock").to_str().unwrap());
        assert_eq!(info.supported_versions, ["1.0.0"]);
        let status = RegistrationStatus { plugin_registered: true, error: String::new() };
        registration.notify_registration_status(status).await.unwrap();
    });
    drop(node);
    assert!(!path.exists(), "the kubelet does not look for an agent that has stopped");
}
