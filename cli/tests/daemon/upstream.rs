//! An EGD server for a daemon to draw from, good or bad as a test says.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

/// What it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Good,
    /// As good, and half a second late with each answer.
    Slow,
    /// Always the same byte.
    Stuck,
    /// Nothing, though it reads what is asked.
    Silent,
}

/// A server that lives as long as the test's process.
pub struct Upstream {
    manner: Arc<RwLock<Manner>>,
    answered: Arc<AtomicBool>,
}

impl Upstream {
    pub fn start(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (manner, answered) = (Arc::new(RwLock::new(Manner::Good)), Arc::<AtomicBool>::default());
        let (manners, flag) = (Arc::clone(&manner), Arc::clone(&answered));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (manner, answered) = (Arc::clone(&manners), Arc::clone(&flag));
                thread::spawn(move || answer(stream, &manner, &answered));
            }
        });
        Self { manner, answered }
    }

    pub fn is(&self, manner: Manner) {
        *self.manner.write().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Gives to each 0x02 what it asks for, and to 0x01 that with its count.
fn answer(mut stream: UnixStream, manner: &RwLock<Manner>, answered: &AtomicBool) {
    let mut command = [0; 2];
    while stream.read_exact(&mut command).is_ok() {
        let mut reply = match *manner.read().unwrap_or_else(PoisonError::into_inner) {
            Manner::Good => random(command[1].into()),
            Manner::Slow => {
                thread::park_timeout(Duration::from_millis(500));
                random(command[1].into())
            }
            Manner::Stuck => vec![7; command[1].into()],
            Manner::Silent => continue,
        };
        if command[0] == 1 {
            reply.insert(0, command[1]);
        }
        answered.store(true, Ordering::Relaxed);
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

/// So many bytes as a good source gives them.
pub fn random(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}
