//! A client of a daemon's local API. Its responses are the API's own messages.

mod error;

use std::io;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::local::local_client::LocalClient;
use proto::local::{
    AttachRequest, Client, DetachRequest, ExplainRequest, ExplainResponse, ListClassesRequest,
    ListClassesResponse, ListPoolsRequest, ListPoolsResponse, ListSourcesRequest, ListSourcesResponse,
    ListVmsRequest, ListVmsResponse, MoveRequest, RetestSourceRequest, Tree, WatchTreeRequest,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::args::{self, VmSpec};

pub(crate) use error::ClientError;

/// A connection to a daemon.
pub(crate) struct DaemonClient {
    client: LocalClient<Channel>,
}

impl DaemonClient {
    /// Connects to the daemon that listens on `socket`.
    pub(crate) async fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|source| ClientError::Connect { socket: socket.to_owned(), source })?;
        Self::over(stream, &socket.display().to_string()).await
    }

    /// Talks to the daemon at the other end of a stream; `address` is for error messages.
    pub(crate) async fn over<S>(stream: S, address: &str) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // There is only this one stream: when the daemon ends, that is an error and no reason to connect again.
        let mut stream = Some(TokioIo::new(stream));
        let connector = service_fn(move |_: Uri| {
            let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
            async move { stream }
        });
        let channel = Endpoint::from_static("http://daemon")
            .connect_with_connector(connector)
            .await
            .map_err(|source| ClientError::NotTheApi { address: address.to_owned(), source })?;
        Ok(Self { client: LocalClient::new(channel) })
    }

    /// Attaches a VM and returns the path of its socket.
    pub(crate) async fn attach(&mut self, vm: &VmSpec, namespace: &str) -> Result<String, ClientError> {
        let client = match vm.client {
            args::ClientKind::Detect => Client::Unspecified,
            args::ClientKind::Qemu => Client::Qemu,
            args::ClientKind::Egd => Client::Egd,
        };
        let request = AttachRequest {
            name: vm.name.clone(),
            namespace: namespace.to_owned(),
            pool: vm.pool.clone(),
            class: vm.class.clone().unwrap_or_default(),
            client: client.into(),
        };
        Ok(self.client.attach(request).await?.into_inner().socket)
    }

    pub(crate) async fn detach(&mut self, vm: &str) -> Result<(), ClientError> {
        self.client.detach(DetachRequest { name: vm.to_owned() }).await?;
        Ok(())
    }

    /// Moves a VM to another class of its pool.
    pub(crate) async fn move_vm(&mut self, vm: &str, class: &str) -> Result<(), ClientError> {
        self.client.r#move(MoveRequest { name: vm.to_owned(), class: class.to_owned() }).await?;
        Ok(())
    }

    pub(crate) async fn pools(&mut self) -> Result<ListPoolsResponse, ClientError> {
        Ok(self.client.list_pools(ListPoolsRequest {}).await?.into_inner())
    }

    /// The sources of all pools.
    pub(crate) async fn sources(&mut self) -> Result<ListSourcesResponse, ClientError> {
        Ok(self.client.list_sources(ListSourcesRequest {}).await?.into_inner())
    }

    /// Restarts the start-up test of sources.
    pub(crate) async fn retest(&mut self, source: &str) -> Result<(), ClientError> {
        self.client.retest_source(RetestSourceRequest { name: source.to_owned() }).await?;
        Ok(())
    }

    /// The classes of one pool, or of all.
    pub(crate) async fn classes(&mut self, pool: Option<String>) -> Result<ListClassesResponse, ClientError> {
        let request = ListClassesRequest { pool: pool.unwrap_or_default() };
        Ok(self.client.list_classes(request).await?.into_inner())
    }

    /// The VMs that pass the filters of the request.
    pub(crate) async fn vms(&mut self, request: ListVmsRequest) -> Result<ListVmsResponse, ClientError> {
        Ok(self.client.list_vms(request).await?.into_inner())
    }

    /// One VM and all limits on its path.
    pub(crate) async fn explain(&mut self, vm: &str) -> Result<ExplainResponse, ClientError> {
        Ok(self.client.explain(ExplainRequest { name: vm.to_owned() }).await?.into_inner())
    }

    /// The tree now and after each interval.
    pub(crate) async fn watch(&mut self, interval: Duration) -> Result<Streaming<Tree>, ClientError> {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Ok(self.client.watch_tree(WatchTreeRequest { interval }).await?.into_inner())
    }
}
