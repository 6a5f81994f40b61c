//! The calls of the local API. Each asks the data plane on a thread that may wait.

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
use crate::attachments::{Attachment, Origin};

/// Between two trees when the caller does not say.
const INTERVAL: Duration = Duration::from_secs(1);
/// A caller may not keep the data plane from its work.
const SHORTEST: Duration = Duration::from_millis(50);

/// The daemon that the API belongs to.
pub(crate) trait Host: Send + Sync + 'static {
    /// A VM of this namespace is about to be attached: selectors of the configuration may match it.
    fn expect(&self, namespace: &str);

    /// A VM was attached, moved or detached.
    fn vms_changed(&self);

    /// A signal asks the daemon to end. May be called more than once.
    fn stop(&self, signal: &'static str);
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

    /// Runs what blocks where that is allowed.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Agent, &dyn Host) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let (agent, host) = (Arc::clone(&self.agent), Arc::clone(&self.host));
        let done = tokio::task::spawn_blocking(move || call(&agent, &*host)).await;
        done.map_err(|_| Status::internal("the daemon failed in this call; its log says more"))?
            .map(Response::new)
    }
}

#[tonic::async_trait]
impl Local for Service {
    async fn attach(&self, request: Request<WireAttachRequest>) -> Result<Response<AttachResponse>, Status> {
        let request = request.into_inner();
        status::namespace(&request.namespace)?;
        self.call(|agent, host| {
            host.expect(&request.namespace);
            let attachment = Attachment::new(wanted(request), Origin::Api);
            let socket = agent.attachments().attach(attachment).map_err(|error| status::attach(&error))?;
            host.vms_changed();
            Ok(AttachResponse { socket: socket.to_string_lossy().into_owned() })
        })
        .await
    }

    async fn detach(&self, request: Request<DetachRequest>) -> Result<Response<DetachResponse>, Status> {
        let id = request.into_inner().id;
        self.call(move |agent, host| {
            agent.attachments().detach(&id).map_err(|error| status::detach(&error))?;
            host.vms_changed();
            Ok(DetachResponse {})
        })
        .await
    }

    async fn r#move(&self, request: Request<MoveRequest>) -> Result<Response<MoveResponse>, Status> {
        let MoveRequest { id, class } = request.into_inner();
        self.call(move |agent, host| {
            agent.attachments().move_vm(&id, &class).map_err(|error| status::move_vm(&error))?;
            host.vms_changed();
            Ok(MoveResponse {})
        })
        .await
    }

    async fn list_pools(&self, _: Request<ListPoolsRequest>) -> Result<Response<ListPoolsResponse>, Status> {
        self.call(|agent, _| Ok(ListPoolsResponse { pools: look(agent)?.pools() })).await
    }

    async fn list_classes(
        &self,
        request: Request<ListClassesRequest>,
    ) -> Result<Response<ListClassesResponse>, Status> {
        let pool = request.into_inner().pool;
        self.call(move |agent, _| {
            let look = look(agent)?;
            present(&look, &pool, "")?;
            let mut classes = look.classes();
            classes.retain(|class| pool.is_empty() || class.pool == pool);
            Ok(ListClassesResponse { classes })
        })
        .await
    }

    async fn list_vms(&self, request: Request<ListVmsRequest>) -> Result<Response<ListVmsResponse>, Status> {
        let wanted = request.into_inner();
        self.call(move |agent, _| {
            let look = look(agent)?;
            present(&look, &wanted.pool, &wanted.class)?;
            let mut vms = look.vms();
            vms.retain(|vm| to_proto::passes(vm, &wanted));
            Ok(ListVmsResponse { vms, now: look.now() })
        })
        .await
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let id = request.into_inner().id;
        self.call(move |agent, _| {
            let unknown = || Status::not_found(format!("there is no VM {id} on this node"));
            look(agent)?.explain(&id).ok_or_else(unknown)
        })
        .await
    }

    async fn list_sources(
        &self,
        _: Request<ListSourcesRequest>,
    ) -> Result<Response<ListSourcesResponse>, Status> {
        self.call(|agent, _| {
            let sources = sources::list(&agent.config(), &agent.server().sources());
            Ok(ListSourcesResponse { sources })
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
        let every = match request.into_inner().interval {
            0 => INTERVAL,
            nanoseconds => Duration::from_nanos(nanoseconds).max(SHORTEST),
        };
        let (trees, watched) = mpsc::channel(1);
        tokio::spawn(watch(Arc::clone(&self.agent), every, trees));
        Ok(Response::new(ReceiverStream::new(watched)))
    }
}

/// Sends a tree after each interval until nobody reads. A reader that is slow gets fewer.
async fn watch(agent: Arc<Agent>, every: Duration, trees: mpsc::Sender<Result<Tree, Status>>) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = trees.closed() => return,
        }
        let agent = Arc::clone(&agent);
        let Ok(tree) = tokio::task::spawn_blocking(move || look(&agent).map(|look| look.tree())).await else {
            return;
        };
        let failed = tree.is_err();
        if trees.send(tree).await.is_err() || failed {
            return;
        }
    }
}

/// A name that nothing has is a mistake, and no empty table.
fn present(look: &View, pool: &str, class: &str) -> Result<(), Status> {
    look.lacks(pool, class).map_or(Ok(()), |sentence| Err(Status::not_found(sentence)))
}

fn look(agent: &Agent) -> Result<View, Status> {
    let snapshot = agent.snapshot().map_err(|stopped| Status::unavailable(stopped.to_string()))?;
    Ok(View::new(snapshot, agent.config(), agent.server().sources()))
}

fn wanted(request: WireAttachRequest) -> AttachRequest {
    let client = match request.client() {
        WireClient::Unspecified | WireClient::Qemu => Client::Qemu,
        WireClient::Egd => Client::Egd,
    };
    let WireAttachRequest { id, namespace, pool, class, .. } = request;
    AttachRequest { id, namespace, pool, class: Some(class).filter(|class| !class.is_empty()), client }
}
