//! Checks, as `helm test` does, that the controller's Service answers the API server's requests.

use std::net::Ipv6Addr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use kube::{Client, Config};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tracing::info;
use webhook::Hook;

/// Asks for a review of a pod that names no pool, which is allowed unchanged. That takes a Service with a ready replica, a
/// certificate for `host` that the certificates in `ca_file` verify, and a controller that has listed all objects.
pub(crate) async fn run(host: &str, port: u16, ca_file: &Path) -> Result<()> {
    let bracketed = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    let url = format!("https://{bracketed}:{port}");
    let read = || format!("failed to read the certificates in {}", ca_file.display());
    let bundle = CertificateDer::pem_file_iter(ca_file).with_context(read)?;
    let bundle: Vec<_> =
        bundle.map(|it| it.map(|it| it.to_vec())).collect::<Result<_, _>>().with_context(read)?;
    ensure!(!bundle.is_empty(), "there is no certificate in {}", ca_file.display());
    let mut config = Config::new(url.parse().with_context(|| format!("{url} is no URL"))?);
    config.root_cert = Some(bundle);
    let client = Client::try_from(config).context("failed to create a client")?;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "service-check"}});
    let request = json!({"uid": "service-check", "operation": "CREATE", "object": pod});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string();
    let request = Request::post(Hook::Pod.path()).header(CONTENT_TYPE, "application/json");
    let request = request.body(review.into_bytes()).context("the request has no form")?;
    let answer: Value =
        client.request(request).await.with_context(|| format!("no controller answers at {url}"))?;
    ensure!(answer["response"]["allowed"] == true, "the controller at {url} answers {answer}");
    info!(url, "the controller answers");
    Ok(())
}
