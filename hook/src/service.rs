//! The gRPC services that `virt-launcher` calls.

use proto::hooks::info::info_server::Info;
use proto::hooks::info::{HookPoint, InfoParams, InfoResult};
use proto::hooks::v1alpha3::callbacks_server::Callbacks;
use proto::hooks::v1alpha3::{OnDefineDomainParams, OnDefineDomainResult, ShutdownParams, ShutdownResult};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::define::define;

/// The name of the sidecar in the log of `virt-launcher`.
const NAME: &str = "entropool";
/// The only version of the callbacks with `Shutdown`.
const VERSION: &str = "v1alpha3";
/// Without `Shutdown` a sidecar outlives its VM, and then no later migration starts.
const POINTS: [&str; 2] = ["OnDefineDomain", "Shutdown"];

pub(crate) struct InfoService;

#[tonic::async_trait]
impl Info for InfoService {
    async fn info(&self, _: Request<InfoParams>) -> Result<Response<InfoResult>, Status> {
        let points = POINTS.map(|name| HookPoint { name: name.to_owned(), priority: 0 });
        Ok(Response::new(InfoResult {
            name: NAME.to_owned(),
            hook_points: points.to_vec(),
            versions: vec![VERSION.to_owned()],
        }))
    }
}

pub(crate) struct CallbacksService {
    pub(crate) socket: String,
    /// Turns true when the VM ends.
    pub(crate) shut_down: watch::Sender<bool>,
}

#[tonic::async_trait]
impl Callbacks for CallbacksService {
    async fn on_define_domain(
        &self,
        request: Request<OnDefineDomainParams>,
    ) -> Result<Response<OnDefineDomainResult>, Status> {
        let OnDefineDomainParams { domain_xml, vmi } = request.into_inner();
        let defined = define(domain_xml, &vmi, &self.socket).map_err(|error| {
            tracing::error!(%error, "failed to define domain");
            Status::invalid_argument(error.to_string())
        })?;
        tracing::info!(socket = self.socket, "domain defined");
        Ok(Response::new(OnDefineDomainResult { domain_xml: defined }))
    }

    async fn shutdown(&self, _: Request<ShutdownParams>) -> Result<Response<ShutdownResult>, Status> {
        tracing::info!("shutting down with the VM");
        self.shut_down.send_replace(true);
        Ok(Response::new(ShutdownResult {}))
    }
}
