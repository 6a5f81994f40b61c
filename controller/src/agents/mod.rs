//! Agents are served here: TLS, tokens, one stream a node.

mod class_moves;
mod first_byte_timeout;
mod listener;
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
use proto::delivery::delivery_server::DeliveryServer;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tracing::info;

use self::first_byte_timeout::FirstByteTimeout;
pub(crate) use self::listener::{Accepted, accept, arrive};
use self::service::DeliveryService;
use crate::ca::{Certificate, TokenReviewer};
use crate::connection_limiter::{ConnectionLimiter, ConnectionLimits};
use crate::leader_election::Leadership;
use crate::listen::listen_at;
use crate::state::SharedState;
use crate::status::EventRecorder;

/// A peer that does not answer a ping for so long is gone.
const PING_EACH: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
const HEADERS: u32 = 16 << 10;
/// Connections whose handshake is done and that wait for their turn.
const BACKLOG: usize = 64;

/// Strangers at a time: connections of which nobody has proved yet to be an agent. Five thousand agents that come back at
/// once all have a place.
const STRANGERS: ConnectionLimits = ConnectionLimits { all: 6_144, free: 512, each: 64 };

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
    let listener = listen_at(listen).await?;
    info!(address = %listener.local_addr().unwrap_or(listen), "agents are awaited");
    let config = Arc::new(certificate.server_config(b"h2").context("TLS cannot be set up")?);
    let (accepted, incoming) = mpsc::channel(BACKLOG);
    let mut plans = world.plan.subscribe();
    let service = DeliveryService::new(world, reviewer, herald, role, leaving.clone());
    let warden = service.warden();
    let service = DeliveryServer::new(service).max_decoding_message_size(LONGEST_FROM_AGENT);
    let guest = |(stream, place): Accepted| Ok::<_, Infallible>(FirstByteTimeout::new(stream, place));
    let incoming = ReceiverStream::new(incoming).map(guest);
    Ok(async move {
        tokio::spawn(warden);
        tokio::spawn(async move {
            certificate.wait().await;
            // Who comes sooner waits in the kernel's queue for a moment: a refusal would cost a handshake first.
            let _ = plans.wait_for(Option::is_some).await;
            accept(listener, config, ConnectionLimiter::new(STRANGERS), accepted).await;
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
