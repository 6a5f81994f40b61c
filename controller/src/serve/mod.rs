//! Agents are served here: TLS, tokens, one stream a node.

mod conversation;
mod guest;
mod hub;
mod listener;
mod moves;
mod report;
mod service;

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

use self::guest::Guest;
pub(crate) use self::listener::{Accepted, accept, arrive};
use self::service::Service;
use crate::crowd::{Crowd, Room};
use crate::lease::Role;
use crate::listen::listen_at;
use crate::status::Herald;
use crate::trust::{Certificate, Reviewer};
use crate::world::World;

/// A peer that does not answer a ping for so long is gone.
const PING_EACH: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
const HEADERS: u32 = 16 << 10;
/// Connections whose handshake is done and that wait for their turn.
const BACKLOG: usize = 64;

/// Strangers at a time: connections of which nobody has proved yet to be an agent. Five thousand agents that come back at
/// once all have a place.
const STRANGERS: Room = Room { all: 6_144, free: 512, each: 64 };

/// What serving needs.
pub(crate) struct Serving {
    pub(crate) listen: SocketAddr,
    pub(crate) world: Arc<World>,
    pub(crate) reviewer: Arc<Reviewer>,
    pub(crate) herald: Arc<Herald>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) leaving: watch::Receiver<bool>,
}

/// Listens. The future that comes back serves until `leaving`, and then until the last stream has ended.
pub(crate) async fn bind(serving: Serving) -> Result<impl Future<Output = Result<()>> + Send> {
    let Serving { listen, world, reviewer, herald, certificate, role, leaving } = serving;
    let listener = listen_at(listen).await?;
    info!(address = %listener.local_addr().unwrap_or(listen), "agents are awaited");
    let config = Arc::new(certificate.server_config(b"h2").context("TLS cannot be set up")?);
    let (accepted, incoming) = mpsc::channel(BACKLOG);
    let mut plans = world.plan.subscribe();
    let service = Service::new(world, reviewer, herald, role, leaving.clone());
    let warden = service.warden();
    let service = DeliveryServer::new(service).max_decoding_message_size(LONGEST_FROM_AGENT);
    let guest = |(stream, place): Accepted| Ok::<_, Infallible>(Guest::new(stream, place));
    let incoming = ReceiverStream::new(incoming).map(guest);
    Ok(async move {
        tokio::spawn(warden);
        tokio::spawn(async move {
            certificate.wait().await;
            // Who comes sooner waits in the kernel's queue for a moment: a refusal would cost a handshake first.
            let _ = plans.wait_for(Option::is_some).await;
            accept(listener, config, Crowd::new(STRANGERS), accepted).await;
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
