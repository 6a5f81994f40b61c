//! Opens the stream to the controller. Token and CA bundle are read each time: both change while the agent runs, and may not
//! exist yet when it starts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use delivery::limits::LONGEST_FROM_CONTROLLER;
use delivery::{BearerToken, FromAgent};
use hyper_util::rt::TokioIo;
use proto::delivery as wire;
use proto::delivery::delivery_client::DeliveryClient;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status, Streaming};
use tower::service_fn;

use super::address::ControllerAddress;

/// For connecting, the handshakes and the answer together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 keep-alive: after a network was interrupted and restored, a new stream must take no more than seconds.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages that may wait to be sent. If there are more, the controller does not read.
const SEND_QUEUE: usize = 64;

/// What a node needs to connect to its controller.
#[derive(Clone, Debug)]
pub(crate) struct ControllerEndpoint {
    pub(crate) controller: ControllerAddress,
    /// The name of this node.
    pub(crate) node: String,
    /// The file of the projected service account token, if one is to be sent.
    pub(crate) token: Option<PathBuf>,
    /// The file of the CA certificates that the controller's certificate is verified with.
    pub(crate) ca: Option<PathBuf>,
}

/// Why no stream could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot read the token {path}: {source}", path = path.display())]
    Token { path: PathBuf, source: io::Error },
    #[error("{path} does not contain a token: only printable characters are allowed", path = path.display())]
    NotAToken { path: PathBuf },
    #[error("an https controller requires --ca-file, the CA certificates of its certificate")]
    NoCa,
    #[error("cannot read the CA bundle {path}: {source}", path = path.display())]
    Ca { path: PathBuf, source: BundleError },
    #[error("{host} is neither a DNS name nor an address: {source}")]
    Host { host: String, source: InvalidDnsNameError },
    #[error("{controller} did not answer within {} s", TIMEOUT.as_secs())]
    Silent { controller: ControllerAddress },
    #[error("cannot connect to {controller}: {source}")]
    Transport { controller: ControllerAddress, source: tonic::transport::Error },
    #[error("{controller} refused this agent: {}: {}", status.code(), status.message())]
    Refused { controller: ControllerAddress, status: Box<Status> },
}

impl ConnectError {
    /// One word for logs, metrics and conditions.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Token { .. } | Self::NotAToken { .. } => "NoToken",
            Self::NoCa | Self::Ca { .. } => "NoCaBundle",
            Self::Host { .. } => "BadAddress",
            Self::Silent { .. } | Self::Transport { .. } => "ControllerUnreachable",
            Self::Refused { .. } => "ControllerRefused",
        }
    }
}

/// An open stream.
pub(super) struct ControllerStream {
    outgoing: mpsc::Sender<wire::FromAgent>,
    pub(super) incoming: Streaming<wire::FromController>,
}

impl ControllerStream {
    /// Queues a message. Returns whether the controller still reads.
    pub(super) fn send(&self, message: FromAgent) -> bool {
        self.outgoing.try_send(codec::agent::to_proto(message)).is_ok()
    }
}

/// Opens a stream, or fails within [`TIMEOUT`].
pub(super) async fn connect(target: ControllerEndpoint) -> Result<ControllerStream, ConnectError> {
    let silent = || ConnectError::Silent { controller: target.controller.clone() };
    timeout(TIMEOUT, open(&target)).await.unwrap_or_else(|_| Err(silent()))
}

/// The current token.
pub(super) fn token(path: &Path) -> Result<BearerToken, ConnectError> {
    let unreadable = |source| ConnectError::Token { path: path.to_owned(), source };
    Ok(BearerToken::new(std::fs::read_to_string(path).map_err(unreadable)?.trim()))
}

async fn open(target: &ControllerEndpoint) -> Result<ControllerStream, ConnectError> {
    let (outgoing, waiting) = mpsc::channel(SEND_QUEUE);
    let mut request = Request::new(ReceiverStream::new(waiting));
    if let Some(path) = &target.token {
        let bearer = format!("Bearer {}", token(path)?.reveal());
        let not_a_token = |_| ConnectError::NotAToken { path: path.clone() };
        let mut bearer: MetadataValue<_> = bearer.parse().map_err(not_a_token)?;
        bearer.set_sensitive(true);
        request.metadata_mut().insert("authorization", bearer);
    }
    let client = DeliveryClient::new(channel(target).await?);
    let mut client = client.max_decoding_message_size(LONGEST_FROM_CONTROLLER);
    let refused =
        |status| ConnectError::Refused { controller: target.controller.clone(), status: Box::new(status) };
    let incoming = client.subscribe(request).await.map_err(refused)?.into_inner();
    Ok(ControllerStream { outgoing, incoming })
}

async fn channel(target: &ControllerEndpoint) -> Result<Channel, ConnectError> {
    let unreachable = |source| ConnectError::Transport { controller: target.controller.clone(), source };
    let endpoint = |authority: String| {
        let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(unreachable)?;
        Ok::<_, ConnectError>(
            endpoint
                .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .keep_alive_while_idle(true),
        )
    };
    match target.controller.clone() {
        ControllerAddress::Tls { host, port } => {
            let config = tls_config(target)?;
            let invalid = |source| ConnectError::Host { host: host.clone(), source };
            let name = ServerName::try_from(host.clone()).map_err(invalid)?;
            let dial = move |_: Uri| secure(host.clone(), port, name.clone(), Arc::clone(&config));
            endpoint(format!("localhost:{port}"))?.connect_with_connector(service_fn(dial)).await
        }
        ControllerAddress::Plain(address) => {
            let dial = move |_: Uri| async move { Ok::<_, io::Error>(TokioIo::new(tcp(address).await?)) };
            endpoint(address.to_string())?.connect_with_connector(service_fn(dial)).await
        }
        ControllerAddress::Unix(path) => {
            let dial = move |_: Uri| {
                let path = path.clone();
                async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
            };
            endpoint("localhost".to_owned())?.connect_with_connector(service_fn(dial)).await
        }
    }
    .map_err(unreachable)
}

fn tls_config(target: &ControllerEndpoint) -> Result<Arc<ClientConfig>, ConnectError> {
    let path = target.ca.as_deref().ok_or(ConnectError::NoCa)?;
    let unreadable = |source| ConnectError::Ca { path: path.to_owned(), source };
    Ok(Arc::new(client_config(path).map_err(unreadable)?))
}

async fn tcp(address: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // An ack is a small write that is not followed by another.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn secure(
    host: String,
    port: u16,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
) -> io::Result<TokioIo<impl AsyncRead + AsyncWrite + Unpin>> {
    let stream = tcp((host, port)).await?;
    Ok(TokioIo::new(tokio_rustls::TlsConnector::from(config).connect(name, stream).await?))
}

/// Why a CA bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    #[error("{0}")]
    Pem(#[source] pem::Error),
    #[error("invalid certificate: {0}")]
    Certificate(#[source] rustls::Error),
    #[error("it contains no certificate")]
    Empty,
    #[error("TLS 1.3 is not available: {0}")]
    Provider(#[source] rustls::Error),
}

/// A TLS 1.3 client that trusts the certificates of the bundle, and no others.
fn client_config(bundle: &Path) -> Result<ClientConfig, BundleError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle).map_err(BundleError::Pem)? {
        roots.add(certificate.map_err(BundleError::Pem)?).map_err(BundleError::Certificate)?;
    }
    if roots.is_empty() {
        return Err(BundleError::Empty);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let mut config =
        config.map_err(BundleError::Provider)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
