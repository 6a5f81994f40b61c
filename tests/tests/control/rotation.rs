//! Certificates that change under live streams.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entropool_tests::cluster::{ApiServer, Controller, NAMESPACE};
use futures::StreamExt;
use kube::Client;
use kube::core::Request;
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::grpc_client::{self, Call};
use crate::kubectl::{apply, class, cluster, pool};
use crate::tls::shown_by_an_authority;
use crate::tokens::forge::{Forge, Parts};

const STREAMS: usize = 1_000;
/// Calls of the API server under way at a time.
const AT_ONCE: usize = 32;
const ROTATIONS: usize = 3;

#[tokio::test]
async fn certificates_change_under_a_thousand_streams_and_none_is_dropped() {
    let api = cluster(&[]);
    let (authority, renew) = shown_by_an_authority();
    let dir = tempfile::tempdir().unwrap();
    mount(dir.path(), renew());
    let controller = Controller::start_with_certificate(&api, "only", dir.path()).unwrap();
    apply(&api, &(pool("32Ki/s") + &class("gold", "rate: 8Ki/s")));
    let tls = grpc_client::tls(&authority);
    let mut streams = open(&api, &controller, &tls).await;

    let mut shown = grpc_client::certificate_shown(controller.agents, &tls).await;
    for _ in 0..ROTATIONS {
        mount(dir.path(), renew());
        shown = another_than(&shown, &controller, &tls).await;
    }
    // An edit reaches every stream that was opened before.
    apply(&api, &class("gold", "rate: 9Ki/s"));
    for (number, call) in streams.iter_mut().enumerate() {
        let message = call.next().await.unwrap_or_else(|status| panic!("stream {number}: {status}"));
        assert!(message.message.is_some());
    }
    assert_eq!(streams.len(), STREAMS);
}

/// As the kubelet changes what is mounted: whole.
fn mount(dir: &Path, (certificate, key): (String, String)) {
    for (name, text) in [("tls.key", key), ("tls.crt", certificate)] {
        fs::write(dir.join("new"), text).unwrap();
        fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
}

async fn another_than(before: &[u8], controller: &Controller, tls: &Arc<ClientConfig>) -> Vec<u8> {
    for _ in 0..300 {
        let shown = grpc_client::certificate_shown(controller.agents, tls).await;
        if shown != before {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the certificate is never another: {}", controller.log());
}

/// A thousand agents, each with its node, its pod and a token of its own.
async fn open(api: &ApiServer, controller: &Controller, tls: &Arc<ClientConfig>) -> Vec<Call> {
    let client = api.client().await.unwrap();
    api.add_node("n0").unwrap();
    let (forge, good) = (Forge::of(api), Parts::of(api.agent_token("n0").unwrap().trim_end()));
    let (client, forge, good) = (&client, &forge, &good);
    let each = (1..=STREAMS).map(|number| async move {
        let node = format!("n{number}");
        let made = make_agent(client, &node).await;
        let token = forge.with_claims(good, |claims| {
            claims["kubernetes.io"]["pod"] = made.clone();
            claims["kubernetes.io"]["node"] = json!({"name": node});
        });
        let channel = grpc_client::channel(controller.agents, Arc::clone(tls)).await;
        grpc_client::subscribe(channel, &[&format!("Bearer {token}")], &node).await.unwrap().0
    });
    futures::stream::iter(each).buffer_unordered(AT_ONCE).collect().await
}

/// Makes node and pod, and returns name and uid of the pod.
async fn make_agent(client: &Client, node: &str) -> Value {
    let labels = json!({"entropool.io/agent": "ready"});
    create(client, "/api/v1/nodes", json!({"metadata": {"name": node, "labels": labels}})).await;
    let name = format!("entropool-agent-{node}");
    let pod = json!({
        "metadata": {"name": name},
        "spec": {"nodeName": node, "serviceAccountName": "entropool-agent", "containers": [{"name": "agent", "image": "none"}]},
    });
    let made = create(client, &format!("/api/v1/namespaces/{NAMESPACE}/pods"), pod).await;
    json!({"name": name, "uid": made["metadata"]["uid"]})
}

async fn create(client: &Client, path: &str, object: Value) -> Value {
    let body = serde_json::to_vec(&object).unwrap();
    let request = Request::new(path).create(&kube::api::PostParams::default(), body).unwrap();
    client.request(request).await.unwrap()
}
