//! What lies between an agent and its controller: TLS, and a network that can fail.

use std::net::{SocketAddr, TcpListener as Listener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::replica::{in_background, listen};

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Everything goes through.
    Whole,
    /// Nothing goes through, and nobody is told: connections stay, and new ones are accepted by nobody who answers.
    Cut,
    /// What was open stays silent for ever; new connections go through.
    HalfOpen,
    /// Connections are closed at once.
    Refused,
}

/// A TLS front with a certificate for `localhost`, and a network before it.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    network: watch::Sender<(Network, u64)>,
}

impl Front {
    /// Passes connections on to `to`, and leaves the CA's certificate in `ca`.
    pub(crate) fn start(to: SocketAddr, ca: &Path) -> Self {
        let (listener, address) = listen();
        let (network, state) = watch::channel((Network::Whole, 0));
        in_background(accept(listener, to, TlsAcceptor::from(tls(ca)), state));
        Self { address, network }
    }

    pub(crate) fn is(&self, network: Network) {
        self.network.send_modify(|state| *state = (network, state.1 + 1));
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

/// A CA and a certificate for `localhost`, signed by it.
fn tls(ca: &Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(ca, issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(own.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

async fn accept(
    listener: Listener,
    to: SocketAddr,
    acceptor: TlsAcceptor,
    network: watch::Receiver<(Network, u64)>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let (acceptor, network) = (acceptor.clone(), network.clone());
        tokio::spawn(async move {
            let state = network.borrow().0;
            match state {
                Network::Refused => {}
                // It is held, so that nobody is told.
                Network::Cut => tokio::time::sleep(Duration::from_mins(10)).await,
                Network::Whole | Network::HalfOpen => carry(near, to, acceptor, network).await,
            }
        });
    }
}

async fn carry(
    near: TcpStream,
    to: SocketAddr,
    acceptor: TlsAcceptor,
    mut network: watch::Receiver<(Network, u64)>,
) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    let Ok(mut near) = acceptor.accept(near).await else { return };
    network.mark_unchanged();
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = network.changed() => {
            let state = network.borrow().0;
            if matches!(state, Network::Cut | Network::HalfOpen) {
                // Both ends keep what they believe to be a connection.
                tokio::time::sleep(Duration::from_mins(10)).await;
            }
        }
    }
}
