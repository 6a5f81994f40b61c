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
pub enum Behaviour {
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
    behaviour: Arc<RwLock<Behaviour>>,
    answered: Arc<AtomicBool>,
}

impl Upstream {
    pub fn start(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (behaviour, answered) = (Arc::new(RwLock::new(Behaviour::Good)), Arc::<AtomicBool>::default());
        let (manners, flag) = (Arc::clone(&behaviour), Arc::clone(&answered));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (behaviour, answered) = (Arc::clone(&manners), Arc::clone(&flag));
                thread::spawn(move || answer(stream, &behaviour, &answered));
            }
        });
        Self { behaviour, answered }
    }

    pub fn is(&self, behaviour: Behaviour) {
        *self.behaviour.write().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Gives to each 0x02 what it asks for, and to 0x01 that with its count.
fn answer(mut stream: UnixStream, behaviour: &RwLock<Behaviour>, answered: &AtomicBool) {
    let mut command = [0; 2];
    while stream.read_exact(&mut command).is_ok() {
        let mut reply = match *behaviour.read().unwrap_or_else(PoisonError::into_inner) {
            Behaviour::Good => random(command[1].into()),
            Behaviour::Slow => {
                thread::park_timeout(Duration::from_millis(500));
                random(command[1].into())
            }
            Behaviour::Stuck => vec![7; command[1].into()],
            Behaviour::Silent => continue,
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
