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
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::evicting_listener::EvictingListener;
use crate::exposition::{plain, prefers_plain};
use crate::listener::ACCEPT_RETRY;

/// From connecting to the last byte of the response.
const WHOLE: Duration = Duration::from_secs(10);
/// From connecting to the last byte of the request's head.
const HEAD: Duration = Duration::from_secs(2);
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

/// Serves health, readiness and metrics for ever, on so many connections at a time. Every connection carries one request,
/// and none keeps its place: see [`EvictingListener`].
pub async fn serve<H: AdminHandler>(listener: TcpListener, connections: usize, handler: Arc<H>) {
    serve_router(listener, connections, with_health(handler)).await;
}

/// The same without metrics, for a port that only a kubelet needs.
pub async fn serve_health<H: AdminHandler>(listener: TcpListener, connections: usize, handler: Arc<H>) {
    serve_router(listener, connections, health_only(handler)).await;
}

async fn serve_router(listener: TcpListener, connections: usize, router: Router) {
    let listener = EvictingListener::new(listener, connections);
    loop {
        if let Err(error) = listener.accept(|stream| serve_request(stream, router.clone())).await {
            warn!(%error, "failed to accept connection");
            tokio::time::sleep(ACCEPT_RETRY).await;
        }
    }
}

async fn serve_request(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = tokio::time::timeout(WHOLE, connection).await {
        debug!(%error, "request failed");
    }
}

fn with_health<H: AdminHandler>(handler: Arc<H>) -> Router {
    let metrics = get(async |State(handler): State<Arc<H>>, headers: HeaderMap| {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        metrics_or_503(handler.metrics().await, prefers_plain(accept))
    });
    let router = routes().route("/metrics", metrics);
    finished(router, handler, "not found; served are /healthz, /readyz and /metrics")
}

fn health_only<H: AdminHandler>(handler: Arc<H>) -> Router {
    finished(routes(), handler, "not found; served are /healthz and /readyz")
}

fn routes<H: AdminHandler>() -> Router<Arc<H>> {
    Router::new()
        .route("/healthz", get(async |State(handler): State<Arc<H>>| text_or_503(handler.health().await)))
        .route("/readyz", get(async |State(handler): State<Arc<H>>| text_or_503(handler.readiness().await)))
}

fn finished<H: AdminHandler>(router: Router<Arc<H>>, handler: Arc<H>, not_found: &'static str) -> Router {
    router
        .fallback(async move || text(StatusCode::NOT_FOUND, not_found))
        .method_not_allowed_fallback(async || {
            let response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use GET or HEAD");
            ([(ALLOW, "GET, HEAD")], response)
        })
        .with_state(handler)
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

    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

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
        let server = tokio::spawn(serve(listener, 1, Arc::new(Unready)));
        for (request, status, header, body) in [
            ("GET /healthz", 200, PLAIN, "ok\n"),
            ("HEAD /healthz", 200, PLAIN, ""),
            ("GET /readyz", 503, PLAIN, "stopping\n"),
            ("GET /metrics", 200, OPENMETRICS, "# EOF\n"),
            ("GET /metrics\r\nAccept: text/plain", 200, TEXT_METRICS, ""),
            ("POST /metrics", 405, "allow: GET, HEAD", "method not allowed; use GET or HEAD\n"),
            ("GET /", 404, PLAIN, "not found; served are /healthz, /readyz and /metrics\n"),
        ] {
            // The server has one place, and the next connection takes it.
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

    /// A connection from that address, with the beginning of a request.
    async fn half_request(from: u8, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, from], 0).into()).unwrap();
        let mut stream = socket.connect(to).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
        stream
    }

    async fn healthz(from: u8, to: SocketAddr) -> String {
        let mut honest = half_request(from, to).await;
        let mut response = String::new();
        honest.write_all(b"localhost\r\n\r\n").await.unwrap();
        honest.read_to_string(&mut response).await.unwrap();
        response
    }

    /// The honest client is a kubelet; every port has it beside attackers of any number.
    #[tokio::test]
    async fn half_requests_of_any_number_of_peers_keep_nobody_from_the_port() {
        const CONNECTIONS: usize = 16;
        for metrics in [true, false] {
            let listener = bind_tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = if metrics {
                tokio::spawn(serve(listener, CONNECTIONS, Arc::new(Unready)))
            } else {
                tokio::spawn(serve_health(listener, CONNECTIONS, Arc::new(Unready)))
            };
            let mut held = Vec::new();
            for peers in [1, 8, 64] {
                for connection in 0..128 {
                    held.push(half_request(2 + connection % peers, address).await);
                    if connection % 16 == 15 {
                        let response = healthz(1, address).await;
                        assert!(response.ends_with("ok\n"), "{peers} peers: {response:?}");
                    }
                }
            }
            // Those whose place was taken are told so at once, not after their time.
            let mut left = String::new();
            let told = tokio::time::timeout(HEAD / 2, held[0].read_to_string(&mut left)).await;
            assert!(told.is_ok() && left.is_empty(), "{left:?}");
            server.abort();
        }
    }

    #[tokio::test]
    async fn who_has_most_connections_makes_room_and_who_has_few_keeps_them() {
        let listener = bind_tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve_health(listener, 8, Arc::new(Unready)));
        let mut oldest = half_request(1, address).await;
        let mut flood = Vec::new();
        for _ in 0..100 {
            flood.push(half_request(2, address).await);
        }
        oldest.write_all(b"localhost\r\n\r\n").await.unwrap();
        let mut response = String::new();
        oldest.read_to_string(&mut response).await.unwrap();
        assert!(response.ends_with("ok\n"), "{response:?}");
        server.abort();
    }

    #[tokio::test]
    async fn a_port_for_health_has_no_metrics() {
        let listener = bind_tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve_health(listener, 1, Arc::new(Unready)));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(
            response.starts_with("HTTP/1.1 404 ") && response.ends_with("served are /healthz and /readyz\n")
        );
        server.abort();
    }
}
