//! A caller of the controller that says what a test wants said.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use delivery::{AgentSubscription, FromAgent};
use hyper_util::rt::TokioIo;
use proto::delivery as wire;
use proto::delivery::delivery_client::DeliveryClient;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status, Streaming};
use tower::service_fn;

/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream; dropped, it ends.
pub(crate) struct Call {
    outgoing: mpsc::Sender<wire::FromAgent>,
    incoming: Streaming<wire::FromController>,
}

impl Call {
    /// Says something to the controller; an error means that it has hung up.
    pub(crate) async fn say(&self, message: FromAgent) -> Result<(), Status> {
        let message = codec::agent::to_proto(message);
        self.outgoing.send(message).await.map_err(|_| Status::unknown("the stream ended"))
    }

    /// What the controller says next.
    pub(crate) async fn next(&mut self) -> Result<wire::FromController, Status> {
        let message = tokio::time::timeout(PATIENCE, self.incoming.message()).await;
        let message = message.map_err(|_| Status::deadline_exceeded("nothing comes"))??;
        message.ok_or_else(|| Status::unknown("the stream ended"))
    }
}

/// TLS that believes an authority.
pub(crate) fn tls(authority: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    CertificateDer::pem_slice_iter(authority.as_bytes()).for_each(|root| roots.add(root.unwrap()).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// The certificate that the controller shows now.
pub(crate) async fn certificate_shown(address: SocketAddr, tls: &Arc<ClientConfig>) -> Vec<u8> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::from(address.ip());
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

pub(crate) async fn channel(address: SocketAddr, tls: Arc<ClientConfig>) -> Channel {
    let dial = move |_: Uri| {
        let tls = Arc::clone(&tls);
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::from(address.ip());
            std::io::Result::Ok(TokioIo::new(TlsConnector::from(tls).connect(name, stream).await?))
        }
    };
    let endpoint = Endpoint::from_static("http://controller");
    let connected = tokio::time::timeout(PATIENCE, endpoint.connect_with_connector(service_fn(dial)));
    connected.await.unwrap().unwrap()
}

/// Opens a stream with these headers, subscribes for the node, and returns what the controller says first, or why not.
pub(crate) async fn subscribe(
    channel: Channel,
    authorization: &[&str],
    node: &str,
) -> Result<(Call, wire::FromController), Status> {
    let (outgoing, waiting) = mpsc::channel(16);
    let mut request = Request::new(ReceiverStream::new(waiting));
    for header in authorization {
        request.metadata_mut().append("authorization", header.parse().unwrap());
    }
    let subscription = AgentSubscription { node: node.to_owned(), ..AgentSubscription::default() };
    outgoing.try_send(codec::agent::to_proto(FromAgent::Subscribe(subscription))).unwrap();
    let answered = async {
        let mut incoming = DeliveryClient::new(channel).subscribe(request).await?.into_inner();
        let first = incoming.message().await?.ok_or_else(|| Status::unknown("the stream ended"))?;
        Ok((Call { outgoing, incoming }, first))
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("the controller answers")
}
