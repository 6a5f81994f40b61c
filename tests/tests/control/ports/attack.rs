//! Clients that open connections and finish nothing on them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// How long an attacker that was hung up on waits before it connects again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long it takes for each further byte of a request that never ends.
const DRIP: Duration = Duration::from_millis(200);

/// What is half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Connection,
    TlsHello,
    RequestLine,
    Head,
    /// A head that gets longer, byte by byte.
    Drip,
}

impl Half {
    pub(super) const ALL: [Self; 5] =
        [Self::Connection, Self::TlsHello, Self::RequestLine, Self::Head, Self::Drip];
}

/// A port, and what its peers speak.
#[derive(Clone)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    /// The protocol behind TLS, if it speaks that.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// How many connections the attackers hold: more than the port has room for.
    pub(super) attackers: usize,
}

/// An attack, which ends when it is dropped.
pub(super) struct Attack {
    runtime: Option<Runtime>,
    begun: Arc<AtomicUsize>,
}

impl Attack {
    /// Attacks the port from so many addresses.
    pub(super) fn begin(port: &Port, addresses: usize, half: Half) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (runtime, begun) = (runtime.unwrap(), Arc::new(AtomicUsize::new(0)));
        for number in 0..port.attackers {
            let last = u8::try_from(number % addresses).unwrap();
            let attacker = Attacker { from: Ipv4Addr::new(127, 0, 1, 1 + last), port: port.clone(), half };
            runtime.spawn(attacker.run(Arc::clone(&begun)));
        }
        let attack = Self { runtime: Some(runtime), begun };
        attack.wait_for(port.attackers);
        attack
    }

    /// Waits until as many connections have been made as there are attackers.
    fn wait_for(&self, attackers: usize) {
        for _ in 0..3_000 {
            if self.begun.load(Ordering::Relaxed) >= attackers {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} of {attackers} attackers got a connection", self.begun.load(Ordering::Relaxed));
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

struct Attacker {
    from: Ipv4Addr,
    port: Port,
    half: Half,
}

impl Attacker {
    async fn run(self, begun: Arc<AtomicUsize>) {
        loop {
            // Whoever is hung up on connects again.
            let _ = self.connect(&begun).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connect(&self, begun: &AtomicUsize) -> io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        let stream = socket.connect(self.port.address).await?;
        match &self.port.tls {
            Some(tls) if !matches!(self.half, Half::Connection | Half::TlsHello) => {
                begun.fetch_add(1, Ordering::Relaxed);
                let name = ServerName::from(self.port.address.ip());
                self.hold(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?).await
            }
            _ => {
                begun.fetch_add(1, Ordering::Relaxed);
                self.hold::<TcpStream>(stream).await
            }
        }
    }

    /// Says half of it, and then nothing until it is hung up on.
    async fn hold<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> io::Result<()> {
        stream.write_all(self.words()).await?;
        stream.flush().await?;
        let mut heard = [0; 1_024];
        loop {
            let wait = if self.half == Half::Drip { DRIP } else { Duration::MAX };
            match tokio::time::timeout(wait, stream.read(&mut heard)).await {
                Ok(Ok(0)) | Ok(Err(_)) => return Ok(()),
                Ok(Ok(_)) => {}
                Err(_) => {
                    stream.write_all(b"x").await?;
                    stream.flush().await?;
                }
            }
        }
    }

    fn words(&self) -> &'static [u8] {
        match (self.half, self.speaks_http2()) {
            (Half::Connection, _) => b"",
            // A handshake of 64 KiB that has just begun.
            (Half::TlsHello, _) => &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7],
            (Half::RequestLine, false) => b"GET /heal",
            (Half::Head | Half::Drip, false) => b"GET /healthz HTTP/1.1\r\nHost: ",
            (Half::RequestLine, true) => b"PRI * HTTP/2.0\r\n",
            // The preface, settings, and the beginning of a frame with headers of 16 KiB.
            (Half::Head | Half::Drip, true) => {
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\x3f\xff\x01\x04\0\0\0\x01\x83"
            }
        }
    }

    fn speaks_http2(&self) -> bool {
        self.port.tls.as_ref().is_some_and(|tls| tls.alpn_protocols.iter().any(|protocol| protocol == b"h2"))
    }
}
