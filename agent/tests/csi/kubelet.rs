//! A kubelet, as far as a driver sees one.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::csi::node_client::NodeClient;
use proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};
use tokio::runtime::{Builder, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::node::Host;

/// Long enough for anything that is to happen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Kubelet {
    runtime: Runtime,
    channel: Channel,
    pods: PathBuf,
}

/// A pod with one volume of ours.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) attributes: Vec<(&'static str, String)>,
}

impl Pod {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            uid: format!("0f3c9a52-1111-4222-8333-{number:012}"),
            name: format!("virt-launcher-web-{number}"),
            namespace: "default".to_owned(),
            attributes: vec![("entropool.io/pool", "default".to_owned())],
        }
    }

    pub(crate) fn class(mut self, class: &str) -> Self {
        self.attributes.push(("entropool.io/class", class.to_owned()));
        self
    }

    pub(crate) fn volume_id(&self) -> String {
        format!("csi-{}", self.uid)
    }

    pub(crate) fn target(&self, pods: &Path) -> PathBuf {
        pods.join(&self.uid).join("volumes/kubernetes.io~csi/entropool/mount")
    }

    /// The call that a kubelet makes for it.
    pub(crate) fn call(&self, pods: &Path) -> NodePublishVolumeRequest {
        let told = [
            ("csi.storage.k8s.io/pod.name", self.name.clone()),
            ("csi.storage.k8s.io/pod.namespace", self.namespace.clone()),
            ("csi.storage.k8s.io/pod.uid", self.uid.clone()),
            ("csi.storage.k8s.io/serviceAccount.name", "default".to_owned()),
            ("csi.storage.k8s.io/ephemeral", "true".to_owned()),
        ];
        let context = self.attributes.iter().cloned().chain(told);
        NodePublishVolumeRequest {
            volume_id: self.volume_id(),
            target_path: self.target(pods).to_string_lossy().into_owned(),
            volume_capability: Some(VolumeCapability {
                access_type: Some(AccessType::Mount(MountVolume::default())),
                access_mode: Some(AccessMode { mode: 1 }),
            }),
            readonly: true,
            volume_context: context.map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>(),
            ..NodePublishVolumeRequest::default()
        }
    }
}

impl Kubelet {
    pub(crate) fn of(host: &Host) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let socket = host.path("kubelet/plugins/csi.entropool.io/csi.sock");
        let channel = runtime.block_on(channel(socket));
        Self { runtime, channel, pods: host.pods() }
    }

    /// Makes what a kubelet makes, and calls.
    pub(crate) fn publish(&self, pod: &Pod) -> Result<PathBuf, Status> {
        let target = pod.target(&self.pods);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        self.call(pod.call(&self.pods)).map(|()| target)
    }

    pub(crate) fn call(&self, request: NodePublishVolumeRequest) -> Result<(), Status> {
        self.runtime.block_on(async {
            let mut node = NodeClient::new(self.channel.clone());
            within(node.node_publish_volume(request)).await.map(|_| ())
        })
    }

    /// Calls, and removes what a kubelet removes.
    pub(crate) fn unpublish(&self, pod: &Pod) -> Result<(), Status> {
        let target = pod.target(&self.pods);
        self.call_unpublish(&pod.volume_id(), &target.to_string_lossy())?;
        assert!(!target.exists(), "the driver removes its directory");
        let _ = fs::remove_dir_all(self.pods.join(&pod.uid));
        Ok(())
    }

    pub(crate) fn call_unpublish(&self, volume_id: &str, target: &str) -> Result<(), Status> {
        let request =
            NodeUnpublishVolumeRequest { volume_id: volume_id.to_owned(), target_path: target.to_owned() };
        self.runtime.block_on(async {
            let mut node = NodeClient::new(self.channel.clone());
            within(node.node_unpublish_volume(request)).await.map(|_| ())
        })
    }

    /// Runs a call of another kind, with the driver's channel.
    pub(crate) fn run<T>(&self, call: impl AsyncFnOnce(Channel) -> T) -> T {
        self.runtime.block_on(call(self.channel.clone()))
    }
}

pub(crate) async fn channel(socket: PathBuf) -> Channel {
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://driver").connect_with_connector(connector).await.unwrap()
}

async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(PATIENCE, call).await.expect("the driver answers in time")
}

/// A client in the pod. `socket` is where the node has the socket.
pub(crate) fn client(socket: &Path) -> std::io::Result<UnixStream> {
    // As a container does, which has the directory at a shorter path.
    let directory = fs::File::open(socket.parent().unwrap())?;
    let client = UnixStream::connect(format!("/proc/self/fd/{}/egd.sock", directory.as_raw_fd()))?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// What a client in the pod gets that asks for `count` bytes.
pub(crate) fn draw(socket: &Path, count: u8) -> std::io::Result<Vec<u8>> {
    let mut client = client(socket)?;
    client.write_all(&[2, count])?;
    let mut bytes = vec![0; count.into()];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}
