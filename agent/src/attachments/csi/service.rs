//! The gRPC services of the driver. Calls that block run on a separate thread.

use std::sync::Arc;

use proto::csi::identity_server::Identity;
use proto::csi::node_server::Node;
use proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeUnpublishVolumeRequest,
    NodeUnpublishVolumeResponse, ProbeRequest, ProbeResponse,
};
use tonic::{Request, Response, Status};

use super::volumes::Volumes;

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
        // A driver that answers is ready. Whatever one volume waits for is reported in its own call.
        Ok(Response::new(ProbeResponse { ready: Some(true) }))
    }
}

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
        let request = request.into_inner();
        let volumes = Arc::clone(&self.volumes);
        let call = move || {
            volumes.publish(&request).map_err(|error| {
                let (reason, volume) = (error.reason(), &request.volume_id);
                tracing::warn!(reason, volume, %error, "failed to publish volume");
                Status::from(&error)
            })
        };
        blocking(call).await.map(|()| Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let request = request.into_inner();
        let volumes = Arc::clone(&self.volumes);
        let call = move || {
            volumes.unpublish(&request).map_err(|error| {
                let (reason, volume) = (error.reason(), &request.volume_id);
                tracing::warn!(reason, volume, %error, "failed to unpublish volume");
                Status::from(&error)
            })
        };
        blocking(call).await.map(|()| Response::new(NodeUnpublishVolumeResponse {}))
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

async fn blocking(call: impl FnOnce() -> Result<(), Status> + Send + 'static) -> Result<(), Status> {
    let panicked = |_| Status::internal("the agent panicked in this call; see its log");
    tokio::task::spawn_blocking(call).await.map_err(panicked)?
}
