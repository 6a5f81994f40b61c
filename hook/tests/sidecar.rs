//! The real program, called as virt-launcher calls it.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::hooks::info::InfoParams;
use proto::hooks::info::info_client::InfoClient;
use proto::hooks::v1alpha3::callbacks_client::CallbacksClient;
use proto::hooks::v1alpha3::{OnDefineDomainParams, ShutdownParams};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Uri};

const NAMES_A_POOL: &str = r#"{"metadata":{"annotations":{"entropool.io/pool":"default"}}}"#;
const NAMES_NONE: &str = r#"{"metadata":{"name":"web-1"}}"#;
const DOMAIN: &str = "<domain><devices><rng model='virtio'><backend model='random'>/dev/urandom</backend>\
                      </rng></devices></domain>";
/// In steps of a tenth of a second.
const PATIENCE: usize = 300;

struct Sidecar {
    process: Child,
    hooks: TempDir,
}

impl Sidecar {
    fn start() -> Self {
        let hooks = tempfile::tempdir().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_entropool-hook"))
            .arg("--hooks")
            .arg(hooks.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, hooks }
    }

    fn socket(&self) -> PathBuf {
        self.hooks.path().join("entropool.sock")
    }

    /// Looks for the one socket that answers, as virt-launcher does.
    async fn connect(&self) -> Channel {
        for _ in 0..PATIENCE {
            let socket = self.socket();
            let connector = tower::service_fn(move |_: Uri| {
                let socket = socket.clone();
                async { UnixStream::connect(socket).await.map(TokioIo::new) }
            });
            if let Ok(channel) = Endpoint::from_static("http://hook").connect_with_connector(connector).await
            {
                return channel;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the sidecar does not answer");
    }

    async fn ended(&mut self) -> ExitStatus {
        for _ in 0..PATIENCE {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the sidecar does not end");
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn asked(domain: &str, vmi: &str) -> OnDefineDomainParams {
    OnDefineDomainParams { domain_xml: domain.as_bytes().to_vec(), vmi: vmi.as_bytes().to_vec() }
}

#[tokio::test]
async fn it_says_what_it_does_and_ends_when_the_vm_does() {
    let mut sidecar = Sidecar::start();
    let channel = sidecar.connect().await;
    let info = InfoClient::new(channel.clone()).info(InfoParams {}).await.unwrap().into_inner();
    let points: Vec<_> = info.hook_points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!((info.name.as_str(), points), ("entropool", vec!["OnDefineDomain", "Shutdown"]));
    assert_eq!(info.versions, ["v1alpha3"]);
    let names = std::fs::read_dir(sidecar.hooks.path()).unwrap();
    assert_eq!(names.count(), 1, "virt-launcher takes every file for a sidecar");
    CallbacksClient::new(channel).shutdown(ShutdownParams {}).await.expect("the call is answered first");
    assert!(sidecar.ended().await.success());
    assert!(!sidecar.socket().exists());
}

#[tokio::test]
async fn a_domain_is_connected_the_same_way_each_time() {
    let sidecar = Sidecar::start();
    let mut callbacks = CallbacksClient::new(sidecar.connect().await);
    let once = callbacks.on_define_domain(asked(DOMAIN, NAMES_A_POOL)).await.unwrap().into_inner().domain_xml;
    let text = String::from_utf8(once).unwrap();
    assert!(text.contains("path='/run/entropool/egd.sock'><reconnect enabled='yes' timeout='1'/>"), "{text}");
    let again = callbacks.on_define_domain(asked(&text, NAMES_A_POOL)).await.unwrap().into_inner().domain_xml;
    assert_eq!(String::from_utf8(again).unwrap(), text);
}

#[tokio::test]
async fn a_vm_that_names_no_pool_is_left_alone() {
    let sidecar = Sidecar::start();
    let mut callbacks = CallbacksClient::new(sidecar.connect().await);
    let same = callbacks.on_define_domain(asked(DOMAIN, NAMES_NONE)).await.unwrap().into_inner().domain_xml;
    assert_eq!(same, DOMAIN.as_bytes());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_a_sentence() {
    let sidecar = Sidecar::start();
    let mut callbacks = CallbacksClient::new(sidecar.connect().await);
    for (domain, vmi, sentence) in [
        ("<domain>", NAMES_A_POOL, "not well-formed"),
        ("<domain><devices><rng/><rng/></devices></domain>", NAMES_A_POOL, "2 <rng> devices"),
        (DOMAIN, "no JSON", "not JSON"),
    ] {
        let refused = callbacks.on_define_domain(asked(domain, vmi)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(sentence), "{refused}");
    }
}
