//! The calls of the local API. Each runs on a thread that may block while it waits for the data plane.

use std::sync::Arc;
use std::time::Duration;

use dataplane::{AttachRequest, Client};
use proto::local::local_server::Local;
use proto::local::{
    AttachRequest as WireAttachRequest, AttachResponse, Client as WireClient, DetachRequest, DetachResponse,
    ExplainRequest, ExplainResponse, ListClassesRequest, ListClassesResponse, ListPoolsRequest,
    ListPoolsResponse, ListSourcesRequest, ListSourcesResponse, ListVmsRequest, ListVmsResponse, MoveRequest,
    MoveResponse, RetestSourceRequest, RetestSourceResponse, Tree, WatchTreeRequest,
};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::to_proto::{self, View};
use super::{sources, status};
use crate::agent::Agent;
use crate::attachments::{Attachment, AttachmentOrigin};

/// Between two trees unless the request says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Callers must not keep the data plane busy.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// The daemon that the API belongs to.
pub(crate) trait Host: Send + Sync + 'static {
    /// A VM of this namespace is about to be attached: selectors of the configuration may match it.
    fn expect(&self, namespace: &str);

    /// A VM was attached, moved or detached.
    fn vms_changed(&self);

    /// A signal asks the daemon to end. May be called more than once.
    fn stop(&self, signal: &'static str);

    /// SIGHUP asks the daemon to read its configuration again.
    fn reload(&self) {}
}

/// The calls of the local API.
pub(super) struct Service {
    agent: Arc<Agent>,
    host: Arc<dyn Host>,
}

impl Service {
    pub(super) fn new(agent: Arc<Agent>, host: Arc<dyn Host>) -> Self {
        Self { agent, host }
    }

    /// Runs a call that blocks.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Agent, &dyn Host) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let (agent, host) = (Arc::clone(&self.agent), Arc::clone(&self.host));
        let done = tokio::task::spawn_blocking(move || call(&agent, &*host)).await;
        done.map_err(|_| Status::internal("the daemon failed in this call; see its log"))?.map(Response::new)
    }
}

#[tonic::async_trait]
impl Local for Service {
    async fn attach(&self, request: Request<WireAttachRequest>) -> Result<Response<AttachResponse>, Status> {
        let request = request.into_inner();
        status::namespace(&request.namespace)?;
        self.call(|agent, host| {
            host.expect(&request.namespace);
            let attachment = Attachment::new(attach_request(request), AttachmentOrigin::Api);
            let socket = agent.attachments().attach(attachment).map_err(|error| status::attach(&error))?;
            host.vms_changed();
            Ok(AttachResponse { socket: socket.to_string_lossy().into_owned() })
        })
        .await
    }

    async fn detach(&self, request: Request<DetachRequest>) -> Result<Response<DetachResponse>, Status> {
        let name = request.into_inner().name;
        self.call(move |agent, host| {
            agent.attachments().detach(&name).map_err(|error| status::detach(&error))?;
            host.vms_changed();
            Ok(DetachResponse {})
        })
        .await
    }

    async fn r#move(&self, request: Request<MoveRequest>) -> Result<Response<MoveResponse>, Status> {
        let MoveRequest { name, class } = request.into_inner();
        self.call(move |agent, host| {
            agent.attachments().move_vm(&name, &class).map_err(|error| status::move_vm(&error))?;
            host.vms_changed();
            Ok(MoveResponse {})
        })
        .await
    }

    async fn list_pools(&self, _: Request<ListPoolsRequest>) -> Result<Response<ListPoolsResponse>, Status> {
        self.call(|agent, _| Ok(ListPoolsResponse { pools: view(agent)?.pools() })).await
    }

    async fn list_classes(
        &self,
        request: Request<ListClassesRequest>,
    ) -> Result<Response<ListClassesResponse>, Status> {
        let pool = request.into_inner().pool;
        self.call(move |agent, _| {
            let view = view(agent)?;
            view.check_exists(&pool, "").map_err(Status::not_found)?;
            let mut classes = view.classes();
            classes.retain(|class| pool.is_empty() || class.pool == pool);
            Ok(ListClassesResponse { classes })
        })
        .await
    }

    async fn list_vms(&self, request: Request<ListVmsRequest>) -> Result<Response<ListVmsResponse>, Status> {
        let request = request.into_inner();
        self.call(move |agent, _| {
            let view = view(agent)?;
            view.check_exists(&request.pool, &request.class).map_err(Status::not_found)?;
            let mut vms = view.vms();
            vms.retain(|vm| to_proto::matches(vm, &request));
            Ok(ListVmsResponse { vms })
        })
        .await
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let name = request.into_inner().name;
        self.call(move |agent, _| {
            let unknown = || Status::not_found(format!("there is no VM {name} on this host"));
            view(agent)?.explain(&name).ok_or_else(unknown)
        })
        .await
    }

    async fn list_sources(
        &self,
        _: Request<ListSourcesRequest>,
    ) -> Result<Response<ListSourcesResponse>, Status> {
        self.call(|agent, _| {
            let sources = sources::list(&agent.config(), &agent.server().sources());
            let unwritable = agent.health().get().health_unwritable.map(|failure| failure.message);
            Ok(ListSourcesResponse { sources, unwritable })
        })
        .await
    }

    async fn retest_source(
        &self,
        request: Request<RetestSourceRequest>,
    ) -> Result<Response<RetestSourceResponse>, Status> {
        let name = request.into_inner().name;
        self.call(move |agent, _| match agent.server().retest(&name) {
            0 => Err(status::retest(&name, &agent.config())),
            tested => Ok(RetestSourceResponse { sources: to_proto::count(tested) }),
        })
        .await
    }

    type WatchTreeStream = ReceiverStream<Result<Tree, Status>>;

    async fn watch_tree(
        &self,
        request: Request<WatchTreeRequest>,
    ) -> Result<Response<Self::WatchTreeStream>, Status> {
        let interval = match request.into_inner().interval {
            0 => DEFAULT_INTERVAL,
            nanoseconds => Duration::from_nanos(nanoseconds).max(SHORTEST_INTERVAL),
        };
        let (trees, watched) = mpsc::channel(1);
        tokio::spawn(watch(Arc::clone(&self.agent), interval, trees));
        Ok(Response::new(ReceiverStream::new(watched)))
    }
}

/// Sends a tree after each interval until the stream is closed. A slow reader gets fewer.
async fn watch(agent: Arc<Agent>, interval: Duration, trees: mpsc::Sender<Result<Tree, Status>>) {
    let mut interval = tokio::time::interval(interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = trees.closed() => return,
        }
        let agent = Arc::clone(&agent);
        let Ok(tree) = tokio::task::spawn_blocking(move || view(&agent).map(|view| view.tree())).await else {
            return;
        };
        let failed = tree.is_err();
        if trees.send(tree).await.is_err() || failed {
            return;
        }
    }
}

fn view(agent: &Agent) -> Result<View, Status> {
    let snapshot = agent.snapshot().map_err(|stopped| Status::unavailable(stopped.to_string()))?;
    Ok(View::new(snapshot, agent.config(), agent.server().sources()))
}

fn attach_request(request: WireAttachRequest) -> AttachRequest {
    let client = match request.client() {
        WireClient::Unspecified => Client::Detect,
        WireClient::Qemu => Client::Qemu,
        WireClient::Egd => Client::Egd,
    };
    let WireAttachRequest { name: id, namespace, pool, class, .. } = request;
    AttachRequest { id, namespace, pool, class: Some(class).filter(|class| !class.is_empty()), client }
}
