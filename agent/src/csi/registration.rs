//! How the kubelet learns of the driver, without a sidecar.

use std::sync::Arc;

use proto::registration::registration_server::Registration;
use proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};
use tonic::{Request, Response, Status};

use super::volumes::Volumes;
use crate::health::driver_registration::RegistrationResult;

/// Versions of the interface that the driver serves.
const VERSIONS: [&str; 1] = ["1.0.0"];

/// Tells the kubelet where the driver is served.
pub(super) struct RegistrationService {
    /// The driver's socket, as the kubelet sees the path.
    pub(super) endpoint: String,
    /// Of these it is the driver.
    pub(super) volumes: Arc<Volumes>,
}

#[tonic::async_trait]
impl Registration for RegistrationService {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: api::names::CSI_DRIVER.to_owned(),
            endpoint: self.endpoint.clone(),
            supported_versions: VERSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let RegistrationStatus { plugin_registered, error } = request.into_inner();
        if plugin_registered {
            tracing::info!("the kubelet has registered the driver");
            self.volumes.kubelet_said(RegistrationResult::Registered);
        } else {
            // It tries again by itself, and says so again.
            tracing::error!(error, "the kubelet does not register the driver");
            self.volumes.kubelet_said(RegistrationResult::Refused(error));
        }
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
