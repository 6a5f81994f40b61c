#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use dataplane::{AttachError, AttachRequest, Client, DataPlaneOptions, SocketOwner, SourcesSnapshot};
use delivery::{
    Admission, BytesPerDay, ClassConfig, Fairness, NamespaceBound, Namespaces, NodeConfig, OnSourceFailure,
    Output, PoolConfig, Shape, SourceConfig, SourceKind,
};
use htb::Tick;
use proto::local::{Serving, SourceState};
use tempfile::TempDir;
use tonic::Code;

use super::to_proto::View;
use super::{sources, status};
use crate::agent::Agent;
use crate::attachments::{Attachment, AttachmentOrigin};

const SHAPE: Shape =
    Shape { rate: BytesPerDay(86_400_000), ceil: BytesPerDay(864_000_000), burst: 1_024, cburst: 1_024 };

fn class(name: &str, parent: Option<&str>, max_vms: Option<u32>) -> ClassConfig {
    ClassConfig {
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
        shape: SHAPE,
        prio: 4,
        weight: 100,
        per_vm: SHAPE,
        max_connections: ClassConfig::DEFAULT_MAX_CONNECTIONS,
        per_namespace: NamespaceBound::default(),
        max_vms,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
        allow_degraded: false,
        namespaces: Namespaces::Only(["lab".to_owned()].into()),
    }
}

fn config() -> NodeConfig {
    let source = SourceConfig {
        name: "kernel".to_owned(),
        kind: SourceKind::Kernel,
        tier: 0,
        capacity: None,
        min_entropy_thousandths: None,
        credit_nested: false,
        health_tests: [].into(),
    };
    let classes = [("a", None), ("z", None), ("b", Some("z")), ("y", Some("b")), ("c", Some("z"))];
    let pool = PoolConfig {
        name: "default".to_owned(),
        sources: vec![source],
        output: Output::Stretched,
        min_healthy_sources: 1,
        on_source_failure: OnSourceFailure::Hold,
        shape: SHAPE,
        default_class: "a".to_owned(),
        classes: classes.map(|(name, parent)| class(name, parent, Some(1))).to_vec(),
        namespaces: Namespaces::All,
    };
    NodeConfig { pools: vec![pool], ..NodeConfig::default() }
}

fn options(dir: &TempDir) -> DataPlaneOptions {
    let allowed = source::Permissions::default();
    DataPlaneOptions {
        socket_dir: dir.path().to_owned(),
        owner: SocketOwner::default(),
        permissions: allowed,
        state_file: None,
        paused: false,
    }
}

fn agent() -> (TempDir, Agent) {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(options(&dir), None).unwrap();
    agent.apply(&Arc::new(config())).unwrap();
    (dir, agent)
}

fn vm(id: &str, namespace: &str, class: &str) -> AttachRequest {
    let (id, namespace, pool) = (id.to_owned(), namespace.to_owned(), "default".to_owned());
    AttachRequest { id, namespace, pool, class: Some(class.to_owned()), client: Client::Qemu }
}

fn view(agent: &Agent) -> View {
    View::new(agent.server().snapshot().unwrap(), agent.config(), agent.server().sources())
}

fn attach(agent: &Agent, request: AttachRequest) -> Result<PathBuf, AttachError> {
    agent.attachments().attach(Attachment::new(request, AttachmentOrigin::Api))
}

#[test]
fn classes_are_listed_in_tree_order_with_their_configuration() {
    let (_dir, agent) = agent();
    let classes = view(&agent).classes();
    let names: Vec<_> = classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["a", "z", "b", "y", "c"]);
    assert_eq!(classes[2].max_vms, Some(1));
    assert_eq!(classes[2].per_vm.unwrap().rate, SHAPE.rate.0);
}

#[test]
fn path_of_a_vm_leads_from_its_leaf_to_the_pool() {
    let (_dir, agent) = agent();
    attach(&agent, vm("web-1", "lab", "y")).unwrap();
    let explained = view(&agent).explain("web-1").unwrap();
    let path: Vec<_> = explained.path.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(path, ["web-1", "lab", "y", "b", "z", "default"]);
    assert!(explained.vm.unwrap().socket.ends_with("web-1/egd.sock"));
    assert!(view(&agent).explain("web-2").is_none());
}

#[test]
fn class_counts_its_vms_and_those_of_classes_below_it() {
    let (_dir, agent) = agent();
    attach(&agent, vm("web-1", "lab", "y")).unwrap();
    attach(&agent, vm("web-2", "lab", "b")).unwrap();
    let classes = view(&agent).classes();
    let of =
        |name: &str| classes.iter().find(|class| class.name == name).map(|class| (class.vms, class.members));
    assert_eq!([of("y"), of("b"), of("z")], [Some((1, 1)), Some((2, 1)), Some((2, 0))]);
}

#[test]
fn a_kernel_that_is_not_seeded_is_not_healthy() {
    let now = SourcesSnapshot { now: Tick(0), wall: 0, pools: vec![], kernel_seeded: false };
    let sources = sources::list(&config(), &now);
    assert_eq!((sources[0].state(), sources[0].active), (SourceState::Unavailable, false));
    assert_eq!(sources[0].reason.as_deref(), Some("NotSeeded"));
    let (output, healthy, all) = sources::output("default", &config(), &now);
    assert_eq!((output.serving(), healthy, all), (Serving::Starting, 0, 1));
    assert!(output.message.unwrap().starts_with("starts: the kernel's generator is not seeded"));
    let now = SourcesSnapshot { kernel_seeded: true, ..now };
    assert_eq!(sources::list(&config(), &now)[0].state(), SourceState::Healthy);
    assert_eq!(sources::output("default", &config(), &now).1, 1);
}

#[test]
fn raw_output_says_what_its_bytes_are_worth() {
    let mut config = config();
    let noise = |name: &str, h| SourceConfig {
        name: name.to_owned(),
        kind: SourceKind::Device { path: "/dev/x".to_owned() },
        min_entropy_thousandths: Some(h),
        ..config.pools[0].sources[0].clone()
    };
    let sources = [noise("a", 6000), noise("b", 250)];
    config.pools[0].sources.extend(sources);
    let now = SourcesSnapshot { now: Tick(0), wall: 0, pools: vec![], kernel_seeded: true };
    let h = |config: &NodeConfig| sources::output("default", config, &now).0.raw_min_entropy_thousandths;
    assert_eq!(h(&config), None);
    config.pools[0].output = Output::Raw;
    assert_eq!(h(&config), Some(250));
}

#[test]
fn each_error_has_its_grpc_code() {
    let (_dir, agent) = agent();
    attach(&agent, vm("web-1", "lab", "a")).unwrap();
    let elsewhere = AttachRequest { pool: "absent".to_owned(), ..vm("web-2", "lab", "a") };
    let refused = [
        (vm("web-1", "lab", "a"), Code::AlreadyExists),
        (vm("web-2", "lab", "a"), Code::ResourceExhausted),
        (vm("web-2", "lab", "absent"), Code::NotFound),
        (vm("web-2", "prod", "b"), Code::PermissionDenied),
        (vm("../x", "lab", "b"), Code::InvalidArgument),
        (elsewhere, Code::NotFound),
    ];
    for (request, code) in refused {
        let status = status::attach(&attach(&agent, request).unwrap_err());
        assert_eq!(status.code(), code, "{status}");
    }
    assert_eq!(status::detach(&agent.server().detach("web-2").unwrap_err()).code(), Code::NotFound);
    assert_eq!(
        status::move_vm(&agent.server().move_vm("web-1", "absent").unwrap_err()).code(),
        Code::NotFound
    );
}

#[test]
fn invalid_namespace_is_rejected() {
    assert!(["default", "kube-system", "0"].iter().all(|name| status::namespace(name).is_ok()));
    for name in ["", "A", "a/b", "-a", "a-", &"a".repeat(64)] {
        assert_eq!(status::namespace(name).unwrap_err().code(), Code::InvalidArgument, "{name:?}");
    }
}

#[test]
fn attach_after_a_drain_is_unavailable() {
    let (_dir, agent) = agent();
    agent.drain(std::time::Duration::ZERO);
    assert_eq!(
        status::attach(&attach(&agent, vm("web-1", "lab", "a")).unwrap_err()).code(),
        Code::Unavailable
    );
}
