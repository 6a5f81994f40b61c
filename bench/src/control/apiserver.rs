//! A stand-in for the API server: as much of its protocol as the controller speaks, answered at once.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::objects;
use super::store::{Store, StoreEvent};

type Body = BoxBody<Bytes, Infallible>;

/// Lines of one watch that wait for whoever reads it.
const LINES: usize = 1_024;

/// Serves the store until the end of the program; says where.
pub(crate) async fn serve(store: Arc<Store>, review: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Small answers that somebody waits for.
            let _ = stream.set_nodelay(true);
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let answer = service_fn(|request| {
                    let store = Arc::clone(&store);
                    async move { Ok::<_, Infallible>(answer(&store, review, request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                // The controller may be killed at any time.
                let _ = http.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    Ok(address)
}

async fn answer(store: &Arc<Store>, review: Duration, request: Request<Incoming>) -> Response<Body> {
    let (path, query) =
        (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let method = request.method().clone();
    let Ok(body) = request.into_body().collect().await else { return status(StatusCode::BAD_REQUEST) };
    let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    if path.ends_with("/tokenreviews") {
        tokio::time::sleep(review).await;
        return text(objects::review(body["spec"]["token"].as_str().unwrap_or_default()).to_string());
    }
    let Some((kind, name, part)) = address(&path, &query) else { return status(StatusCode::NOT_FOUND) };
    match (method, name) {
        (Method::GET, None) if query.contains("watch=true") => watch(store, kind, &query),
        (Method::GET, None) => text(list(store, kind)),
        (Method::GET, Some(name)) => {
            store.get(kind, &name).map_or_else(|| status(StatusCode::NOT_FOUND), |it| text(it.to_string()))
        }
        (Method::POST, None) => {
            let name = body["metadata"]["name"].as_str().unwrap_or("unnamed").to_owned();
            text(store.put(kind, &name, body).to_string())
        }
        (Method::PUT, Some(name)) => text(store.put(kind, &name, body).to_string()),
        (Method::PATCH, Some(name)) => text(patch(store, kind, &name, &part, body).to_string()),
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Kind, name and subresource of a path.
fn address(path: &str, query: &str) -> Option<(&'static str, Option<String>, String)> {
    let mut words = path.trim_matches('/').split('/').peekable();
    // `api/v1` or `apis/GROUP/VERSION`.
    let grouped = words.next()? == "apis";
    words.nth(usize::from(grouped))?;
    let namespaced = words.peek() == Some(&"namespaces") && words.clone().count() > 2;
    if namespaced {
        words.nth(1)?;
    }
    let plural = words.next()?;
    let kind = match plural {
        "pods" if query.contains("serviceAccountName") => "agents",
        "pods" if namespaced => "agents",
        "pods" => "vms",
        "namespaces" => "namespaces",
        "nodes" => "nodes",
        "entropypools" => "entropypools",
        "entropyclasses" => "entropyclasses",
        "leases" => "leases",
        "secrets" => "secrets",
        "configmaps" => "configmaps",
        "csidrivers" => "csidrivers",
        "events" => "events",
        _ => return None,
    };
    let name = words.next().map(str::to_owned);
    Some((kind, name, words.next().unwrap_or_default().to_owned()))
}

/// The controller lists only to learn the newest version: what there is comes at the beginning of a watch.
fn list(store: &Store, kind: &'static str) -> String {
    let (version, ..) = store.watch(kind);
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version.to_string()}, "items": []})
        .to_string()
}

fn watch(store: &Arc<Store>, kind: &'static str, query: &str) -> Response<Body> {
    let (version, objects, news) = store.watch(kind);
    let (lines, receiver) = mpsc::channel(LINES);
    let objects = if query.contains("sendInitialEvents=true") { objects } else { Vec::new() };
    tokio::spawn(send(lines, version, objects, news, kind));
    let frames = ReceiverStream::new(receiver);
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

type Line = Result<Frame<Bytes>, Infallible>;

async fn send(
    lines: mpsc::Sender<Line>,
    version: u64,
    objects: Vec<String>,
    mut news: broadcast::Receiver<StoreEvent>,
    kind: &'static str,
) {
    let frame = |line: String| Ok(Frame::data(Bytes::from(line)));
    for line in objects {
        if lines.send(frame(line)).await.is_err() {
            return;
        }
    }
    if lines.send(frame(bookmark(version))).await.is_err() {
        return;
    }
    while let Ok(event) = news.recv().await {
        if event.kind == kind && lines.send(frame(event.line)).await.is_err() {
            return;
        }
    }
}

fn bookmark(version: u64) -> String {
    let metadata = json!({
        "resourceVersion": version.to_string(),
        "annotations": {"k8s.io/initial-events-end": "true"},
    });
    let object = json!({"kind": "Bookmark", "apiVersion": "v1", "metadata": metadata, "spec": {}});
    format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n")
}

/// Merged or applied: the controller owns whole fields, so that both come to the same.
fn patch(store: &Store, kind: &'static str, name: &str, part: &str, body: Value) -> Value {
    let mut object = store.get(kind, name).unwrap_or_else(|| json!({"metadata": {}}));
    let Value::Object(fields) = body else { return object };
    for (field, value) in fields {
        match (&*field, part) {
            ("status", "status") if kind != "nodes" => object["status"] = value,
            ("status", "status") | ("data", _) => merge(&mut object[&field], value),
            ("metadata", "") => merge(&mut object["metadata"], json!({"labels": value["labels"]})),
            _ => {}
        }
    }
    store.put(kind, name, object)
}

fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (field, value) in patch {
        match value {
            Value::Null => drop(into.as_object_mut().and_then(|it| it.remove(&field))),
            value => merge(&mut into[&field], value),
        }
    }
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::new(Bytes::from(text)).boxed())
}

fn status(code: StatusCode) -> Response<Body> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason(code), "message": ""});
    let mut response = text(body.to_string());
    *response.status_mut() = code;
    response
}

fn reason(code: StatusCode) -> &'static str {
    if code == StatusCode::NOT_FOUND { "NotFound" } else { "BadRequest" }
}
