//! A server that counts what it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, Stream};

use super::certificates::Shown;

const PATIENCE: Duration = Duration::from_secs(10);

/// What it says to whoever connects.
pub(super) enum Speech {
    /// What a TLS server does that shows this.
    Tls(Shown),
    /// These bytes, and then it ends.
    Raw(&'static [u8]),
}

/// Listens on the loopback interface until the end of the program.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    met: Arc<AtomicUsize>,
    told: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn start(speech: Speech) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (met, told) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let server = Self { address, met: Arc::clone(&met), told: Arc::clone(&told) };
        let config = match &speech {
            Speech::Tls(shown) => Some(Arc::new(config(shown))),
            Speech::Raw(_) => None,
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let heard = match (&speech, &config) {
                    (Speech::Raw(bytes), _) => raw(stream, bytes),
                    (_, Some(config)) => tls(stream, Arc::clone(config)),
                    _ => 0,
                };
                told.fetch_add(heard, Ordering::SeqCst);
                met.fetch_add(1, Ordering::SeqCst);
            }
        });
        server
    }

    /// How often somebody called, and was done.
    pub(super) fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }

    /// Bytes that it was told in confidence.
    pub(super) fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

fn config(shown: &Shown) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = builder.with_no_client_auth().with_cert_resolver(shown.resolver());
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Whatever can be decrypted was said by somebody who believes the certificate.
fn tls(mut stream: TcpStream, config: Arc<ServerConfig>) -> usize {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut connection = ServerConnection::new(config).unwrap();
    let mut buffer = [0; 4_096];
    Stream::new(&mut connection, &mut stream).read(&mut buffer).unwrap_or_default()
}

/// A hello is no confidence; the token in clear would be.
fn raw(mut stream: TcpStream, bytes: &[u8]) -> usize {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = vec![0; 4_096];
    let length = stream.read(&mut heard).unwrap_or_default();
    let _ = stream.write_all(bytes);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    heard.truncate(length);
    heard.extend(rest);
    let told = |secret: &[u8]| heard.windows(secret.len()).any(|window| window == secret);
    usize::from(told(b"a-secret") || told(b"PRI * HTTP/2.0"))
}
