//! A peer between QEMU and the daemon that remembers what went by.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};

/// Listens on one socket and passes everything on to another. What is recorded stays in memory.
pub struct Proxy {
    served: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// Each connection to `listen` becomes one to `upstream`, both ways, until either end closes.
    pub fn start(listen: &Path, upstream: &Path) -> Result<Self> {
        let listener = UnixListener::bind(listen).with_context(|| format!("binding {}", listen.display()))?;
        let served = Arc::new(Mutex::new(Vec::new()));
        let (record, upstream) = (Arc::clone(&served), upstream.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if let Ok(far) = UnixStream::connect(&upstream) {
                    join(&near, &far, &record);
                }
            }
        });
        Ok(Self { served })
    }

    /// All bytes that went from upstream to the clients so far, in order.
    pub fn served(&self) -> Vec<u8> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn join(near: &UnixStream, far: &UnixStream, record: &Arc<Mutex<Vec<u8>>>) {
    let record = Arc::clone(record);
    pump(near, far, |_| ());
    pump(far, near, move |bytes| record.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes));
}

fn pump(from: &UnixStream, to: &UnixStream, mut seen: impl FnMut(&[u8]) + Send + 'static) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            // Seen first: a byte that the client has is one that the record has.
            seen(&chunk[..read]);
            if to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
