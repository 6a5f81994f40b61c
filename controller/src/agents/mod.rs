//! Agents are served here: TLS, tokens, one stream a node.

mod class_moves;
mod report;
mod service;
mod stream;
mod stream_registry;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use delivery::limits::{LONGEST_FROM_AGENT, STREAMS_PER_CONNECTION};
use futures::StreamExt;
use net::{Accepted, AuthenticationTimeout, ConnectionLimiter, Limits, accept_tls};
use proto::delivery::delivery_server::DeliveryServer;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tracing::info;

use self::service::DeliveryService;
use crate::ca::{Certificate, TokenReviewer};
use crate::leader_election::Leadership;
use crate::state::SharedState;
use crate::status::EventRecorder;

/// A peer that does not answer a ping for so long is gone.
const PING_EACH: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
const HEADERS: u32 = 16 << 10;
/// Connections whose handshake is done and that wait for their turn.
const BACKLOG: usize = 64;

/// Connections that have not authenticated yet. Five thousand agents that reconnect at once all have a slot.
const UNAUTHENTICATED: Limits = Limits { total: 6_144, unshared: 512, per_peer: 64 };
/// A peer that has not authenticated within this is disconnected; an agent gives up an attempt sooner. Later silence is
/// for HTTP/2 to find out, by its pings.
const AUTHENTICATE_WITHIN: Duration = Duration::from_secs(10);

/// What serving needs.
pub(crate) struct AgentServer {
    pub(crate) listen: SocketAddr,
    pub(crate) world: Arc<SharedState>,
    pub(crate) reviewer: Arc<TokenReviewer>,
    pub(crate) herald: Arc<EventRecorder>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) role: watch::Receiver<Leadership>,
    pub(crate) leaving: watch::Receiver<bool>,
}

/// Listens. The future that comes back serves until `leaving`, and then until the last stream has ended.
pub(crate) async fn bind(serving: AgentServer) -> Result<impl Future<Output = Result<()>> + Send> {
    let AgentServer { listen, world, reviewer, herald, certificate, role, leaving } = serving;
    let listener = net::bind_tcp(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
    info!(address = %listener.local_addr().unwrap_or(listen), "listening for agents");
    let config = Arc::new(certificate.server_config(b"h2").context("TLS cannot be set up")?);
    let (accepted, incoming) = mpsc::channel(BACKLOG);
    let mut plans = world.plan.subscribe();
    let service = DeliveryService::new(world, reviewer, herald, role, leaving.clone());
    let warden = service.warden();
    let service = DeliveryServer::new(service).max_decoding_message_size(LONGEST_FROM_AGENT);
    let authenticating = |(stream, permit): Accepted| {
        Ok::<_, Infallible>(AuthenticationTimeout::authentication(AUTHENTICATE_WITHIN, stream, permit))
    };
    let incoming = ReceiverStream::new(incoming).map(authenticating);
    Ok(async move {
        tokio::spawn(warden);
        tokio::spawn(async move {
            certificate.wait().await;
            // Who comes sooner waits in the kernel's queue for a moment: a refusal would cost a handshake first.
            let _ = plans.wait_for(Option::is_some).await;
            accept_tls(listener, config, ConnectionLimiter::new(UNAUTHENTICATED), accepted).await;
        });
        Server::builder()
            .http2_keepalive_interval(Some(PING_EACH))
            .http2_keepalive_timeout(Some(PONG_WITHIN))
            .max_concurrent_streams(Some(STREAMS_PER_CONNECTION))
            .http2_max_header_list_size(Some(HEADERS))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, left(leaving))
            .await
            .context("agents are served no more")
    })
}

async fn left(mut leaving: watch::Receiver<bool>) {
    // An error means that the program is ending, too.
    let _ = leaving.wait_for(|leaving| *leaving).await;
}
