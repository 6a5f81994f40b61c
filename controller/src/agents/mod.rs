//! The agents' gRPC server: TLS, authentication, and one stream for each node.

mod class_moves;
mod node_limits;
mod node_vms;
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
use net::{AcceptedTls, AuthenticationTimeout, ConnectionLimiter, ConnectionLimits, accept_tls};
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

const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEADER_LIST: u32 = 16 << 10;
/// Connections that have completed their handshake and wait to be served.
const BACKLOG: usize = 64;
/// Connections that have not been authenticated yet: enough for five thousand agents that reconnect at once.
const UNAUTHENTICATED: ConnectionLimits = ConnectionLimits { total: 6_144, unshared: 512, per_peer: 64 };
/// A connection is closed if it is not authenticated within this time; an agent gives up an attempt sooner. A later loss
/// of the connection is detected by HTTP/2 pings.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct AgentServer {
    pub(crate) listen: SocketAddr,
    pub(crate) state: Arc<SharedState>,
    pub(crate) reviewer: Arc<TokenReviewer>,
    pub(crate) recorder: Arc<EventRecorder>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) role: watch::Receiver<Leadership>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Listens. The returned future serves until `stopping` is set, and then until the last stream has ended.
pub(crate) async fn bind(server: AgentServer) -> Result<impl Future<Output = Result<()>> + Send> {
    let AgentServer { listen, state, reviewer, recorder, certificate, role, stopping } = server;
    let listener = net::bind_tcp(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
    info!(address = %listener.local_addr().unwrap_or(listen), "listening for agents");
    let config = Arc::new(certificate.server_config(b"h2").context("failed to set up TLS")?);
    let (accepted, incoming) = mpsc::channel(BACKLOG);
    let mut plans = state.plan.subscribe();
    let service = DeliveryService::new(state, reviewer, recorder, role, stopping.clone());
    let evict_stale_streams = service.evict_stale_streams();
    let service = DeliveryServer::new(service).max_decoding_message_size(LONGEST_FROM_AGENT);
    let with_timeout = |(stream, permit): AcceptedTls| {
        Ok::<_, Infallible>(AuthenticationTimeout::authentication(AUTHENTICATION_TIMEOUT, stream, permit))
    };
    let incoming = ReceiverStream::new(incoming).map(with_timeout);
    Ok(async move {
        tokio::spawn(evict_stale_streams);
        tokio::spawn(async move {
            certificate.wait().await;
            // Until there is a plan, connections wait in the kernel's queue: a refusal would cost a handshake first.
            let _ = plans.wait_for(Option::is_some).await;
            accept_tls(listener, config, ConnectionLimiter::new(UNAUTHENTICATED), accepted).await;
        });
        Server::builder()
            .http2_keepalive_interval(Some(PING_INTERVAL))
            .http2_keepalive_timeout(Some(PING_TIMEOUT))
            .max_concurrent_streams(Some(STREAMS_PER_CONNECTION))
            .http2_max_header_list_size(Some(MAX_HEADER_LIST))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, wait_until_stopping(stopping))
            .await
            .context("the agents' gRPC server failed")
    })
}

async fn wait_until_stopping(mut stopping: watch::Receiver<bool>) {
    // An error means that the program is also ending.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
