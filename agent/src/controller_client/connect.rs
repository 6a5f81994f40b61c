//! Opens the stream. Token and CA bundle are read anew each time: both change while the agent runs, and an agent that
//! has neither yet serves all the same.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use delivery::limits::LONGEST_FROM_CONTROLLER;
use delivery::{FromAgent, Token};
use hyper_util::rt::TokioIo;
use proto::delivery as wire;
use proto::delivery::delivery_client::DeliveryClient;
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status, Streaming};
use tower::service_fn;

use super::controller::Controller;
use super::tls;

/// The whole of it: connecting, the handshakes, and the answer.
const WITHIN: Duration = Duration::from_secs(5);
/// A connection on which nothing comes is asked so often whether it still is one.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// And has so long to say so: a network that was cut and is whole again must not cost more than seconds.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// Messages that wait to be sent. Where so many do, nobody reads.
const WAITING: usize = 64;

/// Whom to connect to, and as whom.
#[derive(Clone, Debug)]
pub struct ControllerEndpoint {
    /// Where the controller is.
    pub controller: Controller,
    /// The node this is.
    pub node: String,
    /// The projected token; none is sent where there is none.
    pub token: Option<PathBuf>,
    /// The certificates of those who may sign the controller's.
    pub ca: Option<PathBuf>,
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The token cannot be read.
    #[error("the token {path} cannot be read: {source}", path = path.display())]
    Token {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no token.
    #[error("{path} holds no token: it may only hold printable characters", path = path.display())]
    NotAToken {
        /// Its file.
        path: PathBuf,
    },
    /// There is nobody who may sign the controller's certificate.
    #[error("--ca-file is needed for an https controller: the certificates that may sign its own")]
    NoCa,
    /// The CA bundle cannot be read.
    #[error("the CA bundle {path} cannot be read: {source}", path = path.display())]
    Ca {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: tls::BundleError,
    },
    /// The host is no name of a certificate.
    #[error("{host} is neither a DNS name nor an address: {source}")]
    Host {
        /// The host.
        host: String,
        /// Why.
        source: InvalidDnsNameError,
    },
    /// Nobody answers.
    #[error("{controller} did not answer within {} s", WITHIN.as_secs())]
    Silent {
        /// The controller.
        controller: Controller,
    },
    /// There is no connection.
    #[error("{controller} cannot be reached: {source}")]
    Transport {
        /// The controller.
        controller: Controller,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The controller does not want the agent.
    #[error("{controller} does not take this agent: {}: {}", status.code(), status.message())]
    Refused {
        /// The controller.
        controller: Controller,
        /// Why.
        status: Box<Status>,
    },
}

impl ConnectError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
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
pub(super) struct Stream {
    outgoing: mpsc::Sender<wire::FromAgent>,
    pub(super) incoming: Streaming<wire::FromController>,
}

impl Stream {
    /// Says something; says whether anybody listens.
    pub(super) fn send(&self, message: FromAgent) -> bool {
        self.outgoing.try_send(codec::agent::to_proto(message)).is_ok()
    }
}

/// Opens a stream, or says within seconds why there is none.
pub(super) async fn connect(target: ControllerEndpoint) -> Result<Stream, ConnectError> {
    let silent = || ConnectError::Silent { controller: target.controller.clone() };
    timeout(WITHIN, open(&target)).await.unwrap_or_else(|_| Err(silent()))
}

/// The token as it is now.
pub(super) fn token(path: &Path) -> Result<Token, ConnectError> {
    let unreadable = |source| ConnectError::Token { path: path.to_owned(), source };
    Ok(Token::new(std::fs::read_to_string(path).map_err(unreadable)?.trim()))
}

async fn open(target: &ControllerEndpoint) -> Result<Stream, ConnectError> {
    let (outgoing, waiting) = mpsc::channel(WAITING);
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
    Ok(Stream { outgoing, incoming })
}

async fn channel(target: &ControllerEndpoint) -> Result<Channel, ConnectError> {
    let unreachable = |source| ConnectError::Transport { controller: target.controller.clone(), source };
    let endpoint = |authority: String| {
        let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(unreachable)?;
        Ok::<_, ConnectError>(
            endpoint
                .http2_keep_alive_interval(ALIVE_EVERY)
                .keep_alive_timeout(ALIVE_WITHIN)
                .keep_alive_while_idle(true),
        )
    };
    match target.controller.clone() {
        Controller::Tls { host, port } => {
            let config = tls_config(target)?;
            let invalid = |source| ConnectError::Host { host: host.clone(), source };
            let name = ServerName::try_from(host.clone()).map_err(invalid)?;
            let dial = move |_: Uri| secure(host.clone(), port, name.clone(), Arc::clone(&config));
            endpoint(format!("localhost:{port}"))?.connect_with_connector(service_fn(dial)).await
        }
        Controller::Plain(address) => {
            let dial = move |_: Uri| async move { Ok::<_, io::Error>(TokioIo::new(tcp(address).await?)) };
            endpoint(address.to_string())?.connect_with_connector(service_fn(dial)).await
        }
        Controller::Unix(path) => {
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
    Ok(Arc::new(tls::config(path).map_err(unreadable)?))
}

async fn tcp(address: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // An ack is a small write that nothing follows.
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
