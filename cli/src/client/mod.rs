//! The daemon, asked over its local API. The only module that knows the API's messages.

mod answer;
mod error;

use std::io;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::local::local_client::LocalClient;
use proto::local::{
    AttachRequest, Client as WireClient, DetachRequest, ExplainRequest, ListClassesRequest, ListPoolsRequest,
    ListSourcesRequest, ListVmsRequest, MoveRequest, RetestSourceRequest, Tree as WireTree, WatchTreeRequest,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::args::{Client, Member};
use crate::view::{Class, Explanation, Pool, Source, Tree, Vm};

pub(crate) use error::ClientError;

/// A connection to a daemon.
pub(crate) struct DaemonClient {
    client: LocalClient<Channel>,
}

/// Which VMs to list; `None` is all.
#[derive(Clone, Debug, Default)]
pub(crate) struct VmFilter {
    pub(crate) pool: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) waiting: bool,
}

impl DaemonClient {
    /// Connects to the daemon at `socket`.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|source| ClientError::Connect { socket: socket.to_owned(), source })?;
        Self::over(stream, &socket.display().to_string()).await
    }

    /// Speaks with whoever is at the other end of a stream, which is called `place`.
    pub(crate) async fn over<S>(stream: S, place: &str) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // One stream is all there is: a daemon that goes is an error, not a reason to dial again.
        let mut stream = Some(TokioIo::new(stream));
        let connector = service_fn(move |_: Uri| {
            let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
            async move { stream }
        });
        let channel = Endpoint::from_static("http://daemon")
            .connect_with_connector(connector)
            .await
            .map_err(|source| ClientError::Speak { place: place.to_owned(), source })?;
        Ok(Self { client: LocalClient::new(channel) })
    }

    /// Gives a VM its socket and says where that is.
    pub(crate) async fn attach(&mut self, member: &Member, namespace: &str) -> Result<String, ClientError> {
        let client = match member.client {
            Client::Qemu => WireClient::Qemu,
            Client::Egd => WireClient::Egd,
        };
        let request = AttachRequest {
            id: member.id.clone(),
            namespace: namespace.to_owned(),
            pool: member.pool.clone(),
            class: member.class.clone().unwrap_or_default(),
            client: client.into(),
        };
        Ok(self.client.attach(request).await?.into_inner().socket)
    }

    /// Cuts a VM off.
    pub(crate) async fn detach(&mut self, id: &str) -> Result<(), ClientError> {
        self.client.detach(DetachRequest { id: id.to_owned() }).await?;
        Ok(())
    }

    /// Moves a VM to another class of its pool.
    pub(crate) async fn move_vm(&mut self, id: &str, class: &str) -> Result<(), ClientError> {
        self.client.r#move(MoveRequest { id: id.to_owned(), class: class.to_owned() }).await?;
        Ok(())
    }

    /// All pools.
    pub(crate) async fn pools(&mut self) -> Result<Vec<Pool>, ClientError> {
        let answer = self.client.list_pools(ListPoolsRequest {}).await?.into_inner();
        Ok(answer.pools.into_iter().map(answer::pool).collect())
    }

    /// What all pools draw from.
    pub(crate) async fn sources(&mut self) -> Result<Vec<Source>, ClientError> {
        let answer = self.client.list_sources(ListSourcesRequest {}).await?.into_inner();
        Ok(answer.sources.into_iter().map(answer::source).collect())
    }

    /// Has sources tested anew.
    pub(crate) async fn retest(&mut self, name: &str) -> Result<(), ClientError> {
        self.client.retest_source(RetestSourceRequest { name: name.to_owned() }).await?;
        Ok(())
    }

    /// The classes of one pool, or of all.
    pub(crate) async fn classes(&mut self, pool: Option<String>) -> Result<Vec<Class>, ClientError> {
        let request = ListClassesRequest { pool: pool.unwrap_or_default() };
        let answer = self.client.list_classes(request).await?.into_inner();
        Ok(answer.classes.into_iter().map(answer::class).collect())
    }

    /// The VMs that pass the filter.
    pub(crate) async fn vms(&mut self, filter: VmFilter) -> Result<Vec<Vm>, ClientError> {
        let request = ListVmsRequest {
            pool: filter.pool.unwrap_or_default(),
            class: filter.class.unwrap_or_default(),
            waiting: filter.waiting,
        };
        let answer = self.client.list_vms(request).await?.into_inner();
        Ok(answer.vms.into_iter().map(|vm| answer::vm(vm, answer.now)).collect())
    }

    /// One VM and all limits on its way.
    pub(crate) async fn explain(&mut self, id: &str) -> Result<Explanation, ClientError> {
        let answer = self.client.explain(ExplainRequest { id: id.to_owned() }).await?.into_inner();
        answer::explanation(answer).ok_or(ClientError::Empty)
    }

    /// The tree now and after each interval.
    pub(crate) async fn watch(&mut self, interval: Duration) -> Result<Trees, ClientError> {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Ok(Trees { stream: self.client.watch_tree(WatchTreeRequest { interval }).await?.into_inner() })
    }
}

/// One tree after the other.
pub(crate) struct Trees {
    stream: Streaming<WireTree>,
}

impl Trees {
    /// The next; `None` when the daemon ends.
    pub(crate) async fn next(&mut self) -> Result<Option<Tree>, ClientError> {
        Ok(self.stream.message().await?.map(answer::tree))
    }
}
