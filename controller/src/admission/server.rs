//! Serves the API server over HTTP/1.1 and TLS. HTTP/2 would put all requests on one connection, and all of them would
//! fail when the replica at its end crashes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use net::{ConnectionLimiter, ConnectionLimits, accept_tls};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info};
use webhook::Hook;

use super::body::{BodyError, BodyReader};
use super::handler::{AdmissionHandler, HandlerError};
use crate::ca::Certificate;
use crate::clock;

/// API servers have a few connections each, and for a moment one for each concurrent request.
const LIMITS: ConnectionLimits = ConnectionLimits { total: 1_024, unshared: 512, per_peer: 64 };
/// Connections that have completed their handshake and wait to be served.
const BACKLOG: usize = 64;
/// Longer than an API server keeps an idle connection, so that it is the one that closes it: a request that is sent while
/// we close the connection would fail.
const IDLE: Duration = Duration::from_mins(2);

struct AdmissionContext {
    handler: AdmissionHandler,
    reader: BodyReader,
}

/// Listens. The returned future serves until `stopping` is set, and then until the last answer is sent.
pub(crate) async fn bind(
    listen: SocketAddr,
    certificate: Arc<Certificate>,
    handler: AdmissionHandler,
    mut stopping: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send> {
    let listener = net::bind_tcp(listen).await.with_context(|| format!("cannot listen at {listen}"))?;
    info!(address = %listener.local_addr().unwrap_or(listen), "listening for admission reviews");
    let config = Arc::new(certificate.server_config(b"http/1.1").context("failed to set up TLS")?);
    let router = router(AdmissionContext { handler, reader: BodyReader::default() });
    let (accepted, mut incoming) = mpsc::channel(BACKLOG);
    Ok(async move {
        tokio::spawn(async move {
            certificate.wait().await;
            accept_tls(listener, config, ConnectionLimiter::new(LIMITS), accepted).await;
        });
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = incoming.recv() => accepted,
                Some(_) = connections.join_next() => continue,
                () = wait_until_stopping(&mut stopping) => break,
            };
            let Some((stream, permit)) = accepted else { break };
            let router = router.clone().layer(Extension(permit.peer()));
            let connection = serve_connection(stream, router, stopping.clone());
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
        connections.join_all().await;
    })
}

async fn serve_connection(stream: TlsStream<TcpStream>, router: Router, mut stopping: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = wait_until_stopping(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection of the API server failed");
    }
}

async fn wait_until_stopping(stopping: &mut watch::Receiver<bool>) {
    // An error means that the program is also ending.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn router(context: AdmissionContext) -> Router {
    let hooks = Hook::ALL.into_iter().fold(Router::new(), |router, hook| {
        let respond =
            async move |State(context): State<Arc<AdmissionContext>>, Extension(peer), body: Body| {
                respond(&context, hook, peer, body).await
            };
        router.route(hook.path(), post(respond))
    });
    hooks
        .fallback(async || text(StatusCode::NOT_FOUND, "there is no such hook"))
        .method_not_allowed_fallback(async || {
            text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; POST an AdmissionReview")
        })
        .with_state(Arc::new(context))
}

async fn respond(context: &AdmissionContext, hook: Hook, peer: IpAddr, body: Body) -> Response {
    let review = match context.reader.read(peer, body).await {
        Ok(review) => review,
        Err(error) => return text(unread(&error), &error.to_string()),
    };
    let from = clock::since_start();
    let answer = context.handler.answer(hook, &review.bytes).await;
    context.handler.took(hook, clock::since_start().saturating_sub(from));
    match answer {
        Ok(answer) => ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
        Err(error @ HandlerError::NotYet) => text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(error @ HandlerError::Review(_)) => text(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

fn unread(error: &BodyError) -> StatusCode {
    match error {
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        BodyError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
    }
}

fn text(status: StatusCode, sentence: &str) -> Response {
    (status, format!("{sentence}\n")).into_response()
}
