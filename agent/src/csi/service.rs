//! The calls of the driver. Each is done on a thread that may wait.

use std::sync::Arc;

use proto::csi::identity_server::Identity;
use proto::csi::node_server::Node;
use proto::csi::volume_capability::AccessType;
use proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeUnpublishVolumeRequest,
    NodeUnpublishVolumeResponse, ProbeRequest, ProbeResponse, VolumeCapability,
};
use tonic::{Request, Response, Status};

use super::request::{AccessMode, PublishRequest, RequestedCapability, UnpublishRequest};
use super::volumes::Volumes;

/// Who the driver is.
pub(super) struct IdentityService;

#[tonic::async_trait]
impl Identity for IdentityService {
    async fn get_plugin_info(
        &self,
        _: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        let (name, vendor_version) =
            (api::names::CSI_DRIVER.to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Ok(Response::new(GetPluginInfoResponse { name, vendor_version }))
    }

    async fn get_plugin_capabilities(
        &self,
        _: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        Ok(Response::new(GetPluginCapabilitiesResponse {}))
    }

    async fn probe(&self, _: Request<ProbeRequest>) -> Result<Response<ProbeResponse>, Status> {
        // It is served, so it is ready; what a single volume waits for is that volume's answer.
        Ok(Response::new(ProbeResponse { ready: Some(true) }))
    }
}

/// What it does on this node.
pub(super) struct NodeService {
    pub(super) volumes: Arc<Volumes>,
    pub(super) node: String,
}

#[tonic::async_trait]
impl Node for NodeService {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let asked = publish(request.into_inner());
        let volumes = Arc::clone(&self.volumes);
        let done = tokio::task::spawn_blocking(move || {
            volumes.publish(&asked).map_err(|error| {
                let (reason, volume) = (error.reason(), &asked.volume_id);
                tracing::warn!(reason, volume, %error, "a volume was refused");
                Status::from(&error)
            })
        });
        done.await.map_err(|_| failed())?.map(|()| Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let NodeUnpublishVolumeRequest { volume_id, target_path } = request.into_inner();
        let asked = UnpublishRequest { volume_id, target_path };
        let volumes = Arc::clone(&self.volumes);
        let done = tokio::task::spawn_blocking(move || {
            volumes.unpublish(&asked).map_err(|error| {
                let (reason, volume) = (error.reason(), &asked.volume_id);
                tracing::warn!(reason, volume, %error, "a volume could not be removed");
                Status::from(&error)
            })
        });
        done.await.map_err(|_| failed())?.map(|()| Response::new(NodeUnpublishVolumeResponse {}))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        Ok(Response::new(NodeGetCapabilitiesResponse {}))
    }

    async fn node_get_info(
        &self,
        _: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        Ok(Response::new(NodeGetInfoResponse { node_id: self.node.clone(), max_volumes_per_node: 0 }))
    }
}

fn failed() -> Status {
    Status::internal("the agent failed in this call; its log says more")
}

fn publish(request: NodePublishVolumeRequest) -> PublishRequest {
    PublishRequest {
        volume_id: request.volume_id,
        target_path: request.target_path,
        staging_target_path: request.staging_target_path,
        readonly: request.readonly,
        capability: request.volume_capability.map(capability),
        context: request.volume_context.into_iter().collect(),
    }
}

fn capability(wanted: VolumeCapability) -> RequestedCapability {
    let access = wanted.access_type.map(|access| match access {
        AccessType::Block(_) => AccessMode::Block,
        AccessType::Mount(mount) => AccessMode::Mount {
            fs_type: mount.fs_type,
            flags: mount.mount_flags,
            group: mount.volume_mount_group,
        },
    });
    RequestedCapability { access, mode: wanted.access_mode.map_or(0, |access| access.mode) }
}
