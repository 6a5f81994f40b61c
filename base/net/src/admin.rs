//! Health, readiness and metrics over plain HTTP, for a kubelet and Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::connection_limiter::{ConnectionLimiter, ConnectionLimits};
use crate::exposition::{plain, prefers_plain};
use crate::listener::ACCEPT_RETRY;

/// From connecting to the last byte of the response.
const WHOLE: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Prometheus' text format.
const TEXT_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Why a program is not healthy, not ready or cannot be measured: 503 with this sentence.
pub type Unavailable = &'static str;

/// The program that reports its health and metrics.
pub trait AdminHandler: Send + Sync + 'static {
    /// Answers `/healthz`, by which a kubelet restarts the program.
    fn health(&self) -> impl Future<Output = Result<&'static str, Unavailable>> + Send;

    /// Answers `/readyz`.
    fn readiness(&self) -> impl Future<Output = Result<&'static str, Unavailable>> + Send;

    /// Answers `/metrics`.
    fn metrics(&self) -> impl Future<Output = Result<String, Unavailable>> + Send;
}

/// Serves for ever. Every connection carries one request, so that no peer keeps its slot.
pub async fn serve<H: AdminHandler>(listener: TcpListener, limits: ConnectionLimits, handler: H) {
    let limiter = ConnectionLimiter::new(limits);
    let router = router(handler);
    loop {
        match limiter.accept(&listener).await {
            Ok(Some((stream, permit))) => {
                let router = router.clone();
                tokio::spawn(async move {
                    serve_request(stream, router).await;
                    drop(permit);
                });
            }
            Ok(None) => {}
            Err(error) => {
                warn!(%error, "failed to accept connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_request(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = tokio::time::timeout(WHOLE, connection).await {
        debug!(%error, "request failed");
    }
}

fn router<H: AdminHandler>(handler: H) -> Router {
    Router::new()
        .route("/healthz", get(async |State(handler): State<Arc<H>>| text_or_503(handler.health().await)))
        .route("/readyz", get(async |State(handler): State<Arc<H>>| text_or_503(handler.readiness().await)))
        .route(
            "/metrics",
            get(async |State(handler): State<Arc<H>>, headers: HeaderMap| {
                let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
                metrics_or_503(handler.metrics().await, prefers_plain(accept))
            }),
        )
        .fallback(async || {
            text(StatusCode::NOT_FOUND, "not found; served are /healthz, /readyz and /metrics")
        })
        .method_not_allowed_fallback(async || {
            let response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use GET or HEAD");
            ([(ALLOW, "GET, HEAD")], response)
        })
        .with_state(Arc::new(handler))
}

fn text_or_503(outcome: Result<&'static str, Unavailable>) -> Response {
    match outcome {
        Ok(sentence) => text(StatusCode::OK, sentence),
        Err(sentence) => text(StatusCode::SERVICE_UNAVAILABLE, sentence),
    }
}

fn metrics_or_503(outcome: Result<String, Unavailable>, as_text: bool) -> Response {
    match outcome {
        Ok(metrics) if as_text => {
            ([(CONTENT_TYPE, TEXT_METRICS), (VARY, "accept")], plain(&metrics)).into_response()
        }
        Ok(metrics) => ([(CONTENT_TYPE, OPENMETRICS), (VARY, "accept")], metrics).into_response(),
        Err(sentence) => text(StatusCode::SERVICE_UNAVAILABLE, sentence),
    }
}

fn text(status: StatusCode, sentence: &str) -> Response {
    (status, [(CONTENT_TYPE, PLAIN)], format!("{sentence}\n")).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::listener::bind_tcp;

    struct Unready;

    impl AdminHandler for Unready {
        async fn health(&self) -> Result<&'static str, Unavailable> {
            Ok("ok")
        }

        async fn readiness(&self) -> Result<&'static str, Unavailable> {
            Err("stopping")
        }

        async fn metrics(&self) -> Result<String, Unavailable> {
            Ok("# EOF\n".to_owned())
        }
    }

    #[tokio::test]
    async fn each_path_has_its_status_type_and_body() {
        let listener = bind_tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, ConnectionLimits::total(1), Unready));
        for (request, status, header, body) in [
            ("GET /healthz", 200, PLAIN, "ok\n"),
            ("HEAD /healthz", 200, PLAIN, ""),
            ("GET /readyz", 503, PLAIN, "stopping\n"),
            ("GET /metrics", 200, OPENMETRICS, "# EOF\n"),
            ("GET /metrics\r\nAccept: text/plain", 200, TEXT_METRICS, ""),
            ("POST /metrics", 405, "allow: GET, HEAD", "method not allowed; use GET or HEAD\n"),
            ("GET /", 404, PLAIN, "not found; served are /healthz, /readyz and /metrics\n"),
        ] {
            // A connection carries one request: the server has one slot, and a request that kept it would block the next.
            let mut stream = TcpStream::connect(address).await.unwrap();
            let (line, header_line) = request.split_once("\r\n").unwrap_or((request, "Accept: */*"));
            stream
                .write_all(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{header_line}\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            let (head, found) = response.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(header),
                "{request}: {head}"
            );
            assert_eq!(head.matches("\r\nallow: ").count(), usize::from(status == 405), "{head}");
            assert_eq!(found, body, "{request}");
        }
        server.abort();
    }
}
