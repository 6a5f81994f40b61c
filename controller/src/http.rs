//! Health, readiness and metrics, over plain HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::agents::arrive;
use crate::ca::Certificate;
use crate::connection_limiter::{ConnectionLimiter, ConnectionLimits};
use crate::leader_election::Leadership;
use crate::listen::listen_at;
use crate::metrics;
use crate::state::SharedState;

/// Who asks is a kubelet, which restarts a controller that does not answer it, or a Prometheus.
const ROOM: ConnectionLimits = ConnectionLimits { all: 32, free: 16, each: 4 };
/// From connecting to the last byte of the answer.
const WHOLE: Duration = Duration::from_secs(10);
/// After an error of the socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// What answers are made from.
pub(crate) struct HttpHandler {
    pub(crate) world: Arc<SharedState>,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) role: watch::Receiver<Leadership>,
    pub(crate) leaving: watch::Receiver<bool>,
}

/// Listens. The future that comes back answers for ever.
pub(crate) async fn bind(
    listen: SocketAddr,
    answers: HttpHandler,
) -> Result<impl Future<Output = ()> + Send> {
    let listener = listen_at(listen).await?;
    info!(address = %listener.local_addr().unwrap_or(listen), "health and metrics are served");
    let answers = Arc::new(answers);
    let crowd = ConnectionLimiter::new(ROOM);
    Ok(async move {
        loop {
            match arrive(&listener, &crowd).await {
                Ok(Some((stream, place))) => {
                    let answers = Arc::clone(&answers);
                    tokio::spawn(async move {
                        answer(stream, answers).await;
                        drop(place);
                    });
                }
                Ok(None) => {}
                Err(error) => {
                    warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

/// One question a connection: nobody has a place for longer.
async fn answer(stream: TcpStream, answers: Arc<HttpHandler>) {
    let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answers.to(&request))));
    let mut http = hyper::server::conn::http1::Builder::new();
    let connection = http.keep_alive(false).serve_connection(TokioIo::new(stream), answer);
    if let Ok(Err(error)) = tokio::time::timeout(WHOLE, connection).await {
        debug!(%error, "a request failed");
    }
}

impl HttpHandler {
    fn to(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n".to_owned());
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => match self.unready() {
                None => text(StatusCode::OK, "ok\n".to_owned()),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            "/metrics" => {
                let mut response =
                    text(StatusCode::OK, metrics::render(&self.world, self.role.borrow().leads()));
                let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format));
                response
            }
            _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".to_owned()),
        }
    }

    /// Why agents had better go elsewhere.
    fn unready(&self) -> Option<&'static str> {
        if *self.leaving.borrow() {
            return Some("stopping");
        }
        if !self.certificate.is_there() {
            return Some("there is no certificate yet");
        }
        (!self.world.serves()).then_some("not everything was listed, or the API server cannot be heard")
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}
