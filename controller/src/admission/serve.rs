//! The API server's connections: HTTP/1.1 over TLS. HTTP/2 would put all questions on one connection, which a replica
//! that vanishes would take with it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info};
use webhook::Hook;

use super::judge::{Judge, Unanswered};
use crate::serve::accept;
use crate::trust::Certificate;

/// Connections at a time: API servers have a few each.
const AT_ONCE: usize = 512;
/// Connections whose handshake is done and that wait for their turn.
const BACKLOG: usize = 64;
/// Longer than an API server keeps a connection that it does not use, so that it is the one that closes it: a question
/// that meets our closing would fail.
const IDLE: Duration = Duration::from_mins(2);
/// A question that takes longer to arrive is given up; the API server waits no longer, either.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);
/// An object and what it was before, each as large as an API server takes one.
const LONGEST: usize = 8 << 20;

/// Listens. The future that comes back answers until `leaving`, and then until the last answer is given.
pub(crate) async fn bind(
    listen: SocketAddr,
    certificate: Arc<Certificate>,
    judge: Judge,
    mut leaving: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send> {
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("nobody can listen at {listen}"))?;
    info!(address = %listener.local_addr().unwrap_or(listen), "the API server is awaited");
    let config = Arc::new(certificate.server_config(b"http/1.1").context("TLS cannot be set up")?);
    let judge = Arc::new(judge);
    let (accepted, mut incoming) = mpsc::channel(BACKLOG);
    Ok(async move {
        tokio::spawn(async move {
            certificate.wait().await;
            accept(listener, config, accepted).await;
        });
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                stream = incoming.recv() => stream,
                Some(_) = connections.join_next() => continue,
                () = left(&mut leaving) => break,
            };
            let Some(stream) = stream else { break };
            let (Ok(stream), Ok(turn)) = (stream, Arc::clone(&turns).acquire_owned().await) else { continue };
            let connection = converse(stream, Arc::clone(&judge), leaving.clone());
            connections.spawn(async move {
                connection.await;
                drop(turn);
            });
        }
        connections.join_all().await;
    })
}

async fn converse(stream: TlsStream<TcpStream>, judge: Arc<Judge>, mut leaving: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let judge = Arc::clone(&judge);
        async move { Ok::<_, Infallible>(respond(&judge, request).await) }
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

async fn respond(judge: &Judge, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let Some(hook) = Hook::ALL.into_iter().find(|hook| hook.path() == path) else {
        return text(StatusCode::NOT_FOUND, "there is no such hook");
    };
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "an AdmissionReview is POSTed");
    }
    let body = Limited::new(request.into_body(), LONGEST).collect();
    let body = match tokio::time::timeout(ARRIVES_WITHIN, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => {
            return text(StatusCode::BAD_REQUEST, &format!("the request cannot be read: {error}"));
        }
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the request takes too long to arrive"),
    };
    match judge.answer(hook, &body).await {
        Ok(answer) => json(answer.to_string()),
        Err(error @ Unanswered::NotYet) => text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        Err(error @ Unanswered::Review(_)) => text(StatusCode::BAD_REQUEST, &error.to_string()),
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
