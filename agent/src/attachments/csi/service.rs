//! The gRPC services of the driver. Calls that block run on a separate thread.

use std::sync::Arc;
use std::time::Duration;

use proto::csi::identity_server::Identity;
use proto::csi::node_server::Node;
use proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeUnpublishVolumeRequest,
    NodeUnpublishVolumeResponse, ProbeRequest, ProbeResponse,
};
use tokio::task::JoinError;
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
    pub(super) patience: Duration,
}

#[tonic::async_trait]
impl Node for NodeService {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let request = Arc::new(request.into_inner());
        let mut configs = self.volumes.configs();
        let patience = tokio::time::sleep(self.patience);
        tokio::pin!(patience);
        loop {
            configs.borrow_and_update();
            let (volumes, call) = (Arc::clone(&self.volumes), Arc::clone(&request));
            let published = tokio::task::spawn_blocking(move || volumes.publish(&call)).await;
            let Err(error) = published.map_err(panicked)? else {
                return Ok(Response::new(NodePublishVolumeResponse {}));
            };
            // A kubelet whose call fails waits longer each time before it calls again.
            let configured = async { error.waits_for_config() && configs.changed().await.is_ok() };
            let again = tokio::select! {
                again = configured => again,
                () = &mut patience => false,
            };
            if !again {
                let (reason, volume) = (error.reason(), &request.volume_id);
                tracing::warn!(reason, volume, %error, "failed to publish volume");
                return Err(Status::from(&error));
            }
        }
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
    tokio::task::spawn_blocking(call).await.map_err(panicked)?
}

#[expect(clippy::needless_pass_by_value, reason = "a parameter of map_err")]
fn panicked(_: JoinError) -> Status {
    Status::internal("the agent panicked in this call; see its log")
}
