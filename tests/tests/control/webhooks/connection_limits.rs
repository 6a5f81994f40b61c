//! Somebody in the cluster who holds all the connections that it can get.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Stage;
use super::objects::{dry, machine};
use crate::grpc_client;

/// Another address of the loopback interface than the API server's, as another pod has.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// More than one client is to have, and less than there is room for.
const CONNECTIONS: usize = 560;

async fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((OTHER, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Connections with their handshakes done, on which nothing is said.
async fn hold(to: SocketAddr, tls: &TlsConnector) -> Vec<TlsStream<TcpStream>> {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = connect(to).await;
        // Who has too many is hung up on.
        held.extend(tls.connect(ServerName::from(to.ip()), stream).await.ok());
    }
    held
}

#[test]
fn a_client_that_holds_all_the_connections_it_gets_keeps_nobody_from_an_answer() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let (api, controller) = (stage.api, stage.controller());
    let mut tls = (*grpc_client::tls(&api.controllers_authority().unwrap())).clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = TlsConnector::from(Arc::new(tls));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let held = runtime.block_on(hold(controller.webhooks, &tls));
    assert!((400..CONNECTIONS).contains(&held.len()), "{}", held.len());
    let vm = machine("beside", &json!({"annotations": {"entropool.io/pool": "default"}}));
    dry(api, &vm).unwrap();

    // A kubelet restarts who does not answer it here.
    let silent = runtime.block_on(async {
        let mut silent = Vec::new();
        for _ in 0..40 {
            silent.push(connect(controller.http).await);
        }
        silent
    });
    let (well, answer) = controller.get("/healthz").unwrap();
    assert!(well, "{answer}");
    drop((held, silent));
}
