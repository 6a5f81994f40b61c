//! A front of the API server that can be unwell: overloaded, slow, out of its mind, or too forgetful for watches.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::ApiServer;

/// How the front answers lists and watches. Everything else it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// As the API server does.
    Well,
    /// With this error of HTTP.
    Failing(u16),
    /// As the API server does, but only after this.
    Slow(Duration),
    /// Lists are passed on; a watch that wants to go on is told that its past is gone.
    Forgetful,
}

/// Plain HTTP on the loopback interface, passed on with the rights of one user.
pub struct ApiProxy {
    mood: watch::Sender<ApiFault>,
    dir: TempDir,
}

impl ApiProxy {
    /// Passes everything on, for now.
    pub fn start(api: &ApiServer, kubeconfig: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(api.client_as(kubeconfig))?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let mood = watch::Sender::new(ApiFault::Well);
        let moods = mood.clone();
        thread::spawn(move || runtime.block_on(accept(listener, client, moods)));
        let dir = TempDir::with_prefix("entropool-front-")?;
        fs::write(dir.path().join("kubeconfig"), kubeconfig_of(address))?;
        Ok(Self { mood, dir })
    }

    /// The kubeconfig of somebody who calls the front.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// Answers so from now on. All connections are cut, with the watches on them.
    pub fn be(&self, mood: ApiFault) {
        self.mood.send_replace(mood);
    }
}

fn kubeconfig_of(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: front\n\
         contexts: [{{name: front, context: {{cluster: front, user: nobody}}}}]\n\
         clusters: [{{name: front, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: nobody, user: {{}}}}]\n"
    )
}

async fn accept(listener: TcpListener, client: Client, mood: watch::Sender<ApiFault>) {
    let client = Arc::new(client);
    while let Ok((stream, _)) = listener.accept().await {
        let (client, mut moods) = (Arc::clone(&client), mood.subscribe());
        let current = *moods.borrow_and_update();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let client = Arc::clone(&client);
                async move { Ok::<_, Infallible>(answer(&client, current, request).await) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            // Whoever is cut off connects anew.
            tokio::select! {
                _ = connection => {}
                _ = moods.changed() => {}
            }
        });
    }
}

async fn answer(client: &Client, mood: ApiFault, request: Request<Incoming>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let watched = query.contains("watch=true") || query.contains("watch=1");
    let listed = request.method() == Method::GET && (watched || query.contains("limit="));
    let goes_on = watched && query.contains("resourceVersion=") && !query.contains("sendInitialEvents=true");
    match mood {
        ApiFault::Failing(code) if listed => return refusal(code),
        ApiFault::Forgetful if goes_on => return refusal(410),
        ApiFault::Slow(wait) if listed => tokio::time::sleep(wait).await,
        _ => {}
    }
    pass_on(client, request).await.unwrap_or_else(|_| refusal(502))
}

async fn pass_on(client: &Client, request: Request<Incoming>) -> Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    // The host that was called is the front.
    parts.headers.remove("host");
    let body = body.collect().await.context("the request did not arrive")?.to_bytes();
    Ok(client.send(Request::from_parts(parts, Body::from(body.to_vec()))).await?)
}

/// As the API server would say it.
fn refusal(code: u16) -> Response<Body> {
    let text = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","message":"the front is unwell","code":{code}}}"#
    );
    let mut response = Response::new(Body::from(text.into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
