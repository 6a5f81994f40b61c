//! The Service in front of the controller's replicas, as a node's kube-proxy is it: a connection goes to one of them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

const CONNECT: Duration = Duration::from_secs(2);
/// Between two looks of a connection that is cut, whether it still is.
const LOOK: Duration = Duration::from_millis(20);

/// An address that agents call, and those who answer there.
pub struct Service {
    /// Where agents connect.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    endpoints: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
    cut: AtomicBool,
}

impl Service {
    /// Nobody answers yet.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, inner) = (listener.local_addr()?, Arc::new(Inner::default()));
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&near));
            }
        });
        Ok(Self { address, inner })
    }

    /// One more replica. Those that nobody answers at are passed over.
    pub fn add(&self, endpoint: SocketAddr) {
        self.inner.endpoints().push(endpoint);
    }

    /// No new connection goes there; those that are open stay.
    pub fn remove(&self, endpoint: SocketAddr) {
        self.inner.endpoints().retain(|it| *it != endpoint);
    }

    /// While it is cut nothing comes through, and nobody is told: the ends see connections that are open and silent.
    pub fn cut(&self, cut: bool) {
        self.inner.cut.store(cut, Ordering::SeqCst);
    }
}

impl Inner {
    fn endpoints(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>, near: &TcpStream) {
        self.wait_while_cut();
        let Some(far) = self.dial() else { return };
        // Small messages that somebody waits for.
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        self.pump(near, &far);
        self.pump(&far, near);
    }

    /// In turns, so that what depends on where one comes out is seen soon.
    fn dial(&self) -> Option<TcpStream> {
        let endpoints = self.endpoints().clone();
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        let mut all = endpoints.iter().cycle().skip(turn % endpoints.len().max(1)).take(endpoints.len());
        all.find_map(|endpoint| TcpStream::connect_timeout(endpoint, CONNECT).ok())
    }

    fn pump(self: &Arc<Self>, from: &TcpStream, to: &TcpStream) {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
        let own = Arc::clone(self);
        thread::spawn(move || {
            let mut chunk = [0; 16_384];
            while let Ok(read @ 1..) = from.read(&mut chunk) {
                own.wait_while_cut();
                if to.write_all(&chunk[..read]).is_err() {
                    break;
                }
            }
            own.wait_while_cut();
            let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
        });
    }

    fn wait_while_cut(&self) {
        while self.cut.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
        }
    }
}
