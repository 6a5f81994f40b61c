//! A data plane in a temporary directory, and its clients.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use entropool_dataplane::{
    AllowedNamespaces, AttachRequest, Client, DataPlaneHandle, DataPlaneOptions, DataPlaneSnapshot,
    PoolConfig, SocketOwner, VmSnapshot, start,
};
use htb::pool::{Admission, ClassParams, Fairness, NamespaceBound, PoolParams, Shape, default_burst};
use htb::{DEFAULT_PRIO, DEFAULT_WEIGHT, Rate};
use tempfile::TempDir;

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A rate that nothing here reaches.
pub(crate) const UNBOUND: Rate = Rate::per_second(1 << 30);

pub(crate) struct Rig {
    pub(crate) data_plane: DataPlaneHandle,
    pub(crate) dir: TempDir,
}

impl Rig {
    /// Serves one pool.
    pub(crate) fn new(pool: PoolConfig) -> Self {
        Self::within(tempfile::tempdir().unwrap(), pool)
    }

    /// Serves one pool as the successor of this one, which has crashed.
    pub(crate) fn after(self, pool: PoolConfig) -> Self {
        let Self { data_plane, dir } = self;
        data_plane.discard_unclaimed();
        drop(data_plane);
        Self::within(dir, pool)
    }

    /// The same, whose VMs may have so many connections.
    pub(crate) fn with_connections(most: usize) -> Self {
        let mut setup = pool("default", UNBOUND, vec![class("shared", UNBOUND)]);
        setup.class_connections.insert("shared".to_owned(), most);
        Self::new(setup)
    }

    fn within(dir: TempDir, pool: PoolConfig) -> Self {
        let options = DataPlaneOptions {
            socket_dir: dir.path().join("vm"),
            owner: SocketOwner::default(),
            permissions: source::Permissions::default(),
            state_file: Some(dir.path().join("state")),
            paused: false,
        };
        let data_plane = start(options).unwrap();
        data_plane.apply(vec![pool]).unwrap();
        Self { data_plane, dir }
    }

    /// Serves one pool with one class, without limits.
    pub(crate) fn unbound() -> Self {
        Self::new(pool("default", UNBOUND, vec![class("shared", UNBOUND)]))
    }

    pub(crate) fn attach(&self, id: &str) -> PathBuf {
        self.data_plane.attach(vm(id)).unwrap()
    }

    pub(crate) fn connect(&self, id: &str) -> UnixStream {
        connect(&self.data_plane.socket_path(id).unwrap())
    }

    /// A VM with one connection.
    pub(crate) fn client(&self, id: &str) -> UnixStream {
        connect(&self.attach(id))
    }

    pub(crate) fn snapshot(&self) -> DataPlaneSnapshot {
        self.data_plane.snapshot().unwrap()
    }

    pub(crate) fn vm(&self, id: &str) -> VmSnapshot {
        let pools = self.snapshot().pools;
        pools.into_iter().flat_map(|pool| pool.vms).find(|vm| vm.id == id).unwrap()
    }

    /// Waits until `done`, or fails.
    pub(crate) fn until(&self, what: &str, done: impl Fn(&DataPlaneSnapshot) -> bool) -> DataPlaneSnapshot {
        let patience = crate::clock::Stopwatch::start();
        loop {
            let snapshot = self.snapshot();
            if done(&snapshot) {
                return snapshot;
            }
            assert!(patience.elapsed() < PATIENCE, "{what} did not happen: {snapshot:#?}");
            std::thread::yield_now();
        }
    }
}

pub(crate) fn connect(path: &std::path::Path) -> UnixStream {
    let socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn vm(id: &str) -> AttachRequest {
    let (namespace, pool) = ("default".to_owned(), "default".to_owned());
    AttachRequest { id: id.to_owned(), namespace, pool, class: None, client: Client::Egd }
}

/// A pool that serves up to `ceil`, and whose default class is the first.
pub(crate) fn pool(name: &str, ceil: Rate, classes: Vec<ClassParams>) -> PoolConfig {
    let default_class = classes[0].name.clone();
    PoolConfig {
        name: name.to_owned(),
        params: PoolParams { root: shape(ceil, ceil), default_class, classes },
        namespaces: AllowedNamespaces::All,
        class_namespaces: std::collections::BTreeMap::new(),
        class_connections: std::collections::BTreeMap::new(),
        supply: entropool_dataplane::SupplySpec::Kernel,
    }
}

/// A class without a rate, whose VMs may have up to `per_vm` each.
pub(crate) fn class(name: &str, per_vm: Rate) -> ClassParams {
    ClassParams {
        name: name.to_owned(),
        parent: None,
        shape: shape(Rate::ZERO, UNBOUND),
        prio: DEFAULT_PRIO,
        weight: DEFAULT_WEIGHT,
        per_vm: shape(Rate::ZERO, per_vm),
        per_namespace: NamespaceBound::default(),
        max_vms: None,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
    }
}

pub(crate) fn shape(rate: Rate, ceil: Rate) -> Shape {
    Shape { rate, ceil, burst: default_burst(rate), cburst: default_burst(ceil) }
}

/// Sends, and reads exactly `count` bytes.
pub(crate) fn exchange(socket: &mut UnixStream, request: &[u8], count: usize) -> Vec<u8> {
    socket.write_all(request).unwrap();
    let mut reply = vec![0; count];
    socket.read_exact(&mut reply).unwrap();
    reply
}

/// Nothing arrives for this long.
pub(crate) fn silent(socket: &UnixStream, time: Duration) -> bool {
    socket.set_read_timeout(Some(time)).unwrap();
    let error = (&*socket).read(&mut [0]).map_err(|error| error.kind());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    error == Err(std::io::ErrorKind::WouldBlock)
}

/// The peer has closed.
pub(crate) fn is_closed(socket: &mut UnixStream) -> bool {
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
