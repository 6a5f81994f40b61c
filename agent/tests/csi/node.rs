//! A node: a kubelet's directories, and the agent that serves them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dataplane::{DataPlaneOptions, SocketOwner};
use delivery::NodeConfig;
use entropool_agent::testing::Agent;
use entropool_agent::testing::csi::{CsiOptions, CsiServer, PodHost, PodInfo, Volumes};
use tempfile::TempDir;

use crate::config::config;

/// The directories of a host, which outlive the agent.
pub(crate) struct Host {
    dir: TempDir,
}

impl Host {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["kubelet/pods", "kubelet/plugins_registry", "run"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.path("kubelet/pods")
    }

    /// Every path below the host's directory that is not the kubelet's own, sorted.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(self.dir.path(), self.dir.path(), &mut found);
        found.sort();
        found
    }
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        found.push(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            walk(root, &entry.path(), found);
        }
    }
}

/// The facts that volumes depend on, for a test to set.
#[derive(Debug)]
pub(crate) struct FakePodHost {
    pub(crate) pod_info: Mutex<PodInfo>,
    pub(crate) configured: AtomicBool,
    pub(crate) changes: AtomicUsize,
}

impl PodHost for FakePodHost {
    fn pod_info(&self) -> PodInfo {
        *self.pod_info.lock().unwrap()
    }

    fn configured(&self) -> bool {
        self.configured.load(Ordering::Relaxed)
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// A running agent. It stops when it is dropped.
pub(crate) struct Node {
    _csi: CsiServer,
    pub(crate) volumes: Arc<Volumes>,
    pub(crate) agent: Arc<Agent>,
    pub(crate) pod_host: Arc<FakePodHost>,
}

impl Node {
    /// Starts an agent that has a configuration and a verified `CSIDriver`.
    pub(crate) fn start(host: &Host) -> Self {
        let node = Self::start_bare(host);
        node.configure();
        node
    }

    pub(crate) fn configure(&self) {
        self.configure_as(config());
    }

    pub(crate) fn configure_as(&self, config: NodeConfig) {
        self.agent.apply(&Arc::new(config)).unwrap();
        *self.pod_host.pod_info.lock().unwrap() = PodInfo::Verified;
        self.pod_host.configured.store(true, Ordering::Relaxed);
        self.volumes.restore();
    }

    /// Starts an agent that has no configuration yet.
    pub(crate) fn start_bare(host: &Host) -> Self {
        let options = DataPlaneOptions {
            socket_dir: host.path("run/vm"),
            owner: SocketOwner::default(),
            permissions: source::Permissions::default(),
            state_file: None,
            paused: false,
        };
        let agent = Arc::new(Agent::start(options, None).unwrap());
        let pod_host = Arc::new(FakePodHost {
            pod_info: Mutex::new(PodInfo::Unknown),
            configured: AtomicBool::new(false),
            changes: AtomicUsize::new(0),
        });
        let csi = CsiOptions { node: "node-1".to_owned(), kubelet_dir: host.path("kubelet") };
        let journal = host.path("run/attachments");
        let volumes = Volumes::open(&agent, pod_host.clone(), csi.pods(), journal).unwrap();
        let volumes = Arc::new(volumes);
        let csi = CsiServer::serve(&csi, Arc::clone(&volumes)).unwrap();
        Self { _csi: csi, volumes, agent, pod_host }
    }

    /// The class that a VM is in.
    pub(crate) fn class_of(&self, id: &str) -> String {
        let vm = self.vms().into_iter().find(|vm| vm.0 == id);
        vm.unwrap_or_else(|| panic!("{id} is not attached: {:?}", self.vms())).2
    }

    /// The VMs that are attached: id, namespace, class.
    pub(crate) fn vms(&self) -> Vec<(String, String, String)> {
        let snapshot = self.agent.snapshot().unwrap();
        let vms = snapshot.pools.iter().flat_map(|pool| &pool.vms);
        vms.map(|vm| (vm.id.clone(), vm.namespace.clone(), vm.class.clone())).collect()
    }
}
