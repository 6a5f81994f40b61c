//! The API server's connections: HTTP/1.1 over TLS. HTTP/2 would put all questions on one connection, which a replica
//! that vanishes would take with it.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info};
use webhook::Hook;

use super::body::{BodyError, BodyReader};
use super::handler::{AdmissionHandler, HandlerError};
use crate::agents::accept;
use crate::ca::Certificate;
use crate::connection_limiter::{ConnectionLimiter, ConnectionLimits};
use crate::listen::listen_at;

/// Connections at a time. API servers have a few each, and for a moment as many as there are questions.
const ROOM: ConnectionLimits = ConnectionLimits { all: 1_024, free: 512, each: 64 };
/// Connections whose handshake is done and that wait for their turn.
const BACKLOG: usize = 64;
/// Longer than an API server keeps a connection that it does not use, so that it is the one that closes it: a question
/// that meets our closing would fail.
const IDLE: Duration = Duration::from_mins(2);

/// What an answer is made from.
struct AdmissionContext {
    judge: AdmissionHandler,
    reader: BodyReader,
}

/// Listens. The future that comes back answers until `leaving`, and then until the last answer is given.
pub(crate) async fn bind(
    listen: SocketAddr,
    certificate: Arc<Certificate>,
    judge: AdmissionHandler,
    mut leaving: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send> {
    let listener = listen_at(listen).await?;
    info!(address = %listener.local_addr().unwrap_or(listen), "listening for the API server");
    let config = Arc::new(certificate.server_config(b"http/1.1").context("TLS cannot be set up")?);
    let desk = Arc::new(AdmissionContext { judge, reader: BodyReader::default() });
    let (accepted, mut incoming) = mpsc::channel(BACKLOG);
    Ok(async move {
        tokio::spawn(async move {
            certificate.wait().await;
            accept(listener, config, ConnectionLimiter::new(ROOM), accepted).await;
        });
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = incoming.recv() => accepted,
                Some(_) = connections.join_next() => continue,
                () = left(&mut leaving) => break,
            };
            let Some((stream, place)) = accepted else { break };
            let connection = converse(stream, place.peer(), Arc::clone(&desk), leaving.clone());
            connections.spawn(async move {
                connection.await;
                drop(place);
            });
        }
        connections.join_all().await;
    })
}

async fn converse(
    stream: TlsStream<TcpStream>,
    asker: IpAddr,
    desk: Arc<AdmissionContext>,
    mut leaving: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(respond(&desk, asker, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = left(&mut leaving) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection of the API server failed");
    }
}

async fn left(leaving: &mut watch::Receiver<bool>) {
    // An error means that the program is ending, too.
    let _ = leaving.wait_for(|leaving| *leaving).await;
}

async fn respond(
    desk: &AdmissionContext,
    asker: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let Some(hook) = Hook::ALL.into_iter().find(|hook| hook.path() == path) else {
        return text(StatusCode::NOT_FOUND, "there is no such hook");
    };
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "an AdmissionReview is POSTed");
    }
    let question = match desk.reader.read(asker, request.into_body()).await {
        Ok(question) => question,
        Err(error) => return text(unread(&error), &error.to_string()),
    };
    match desk.judge.answer(hook, &question.bytes).await {
        Ok(answer) => json(answer.to_string()),
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

fn json(body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{sentence}\n"))));
    *response.status_mut() = status;
    response
}
