//! The liveness probe of a pod: a socket at which the first process answers, and the program that asks there.
//!
//! The probe must not depend on the worker: that is watched by the first process, and replaced sooner than by a kubelet.
//! Nor may it be a port: whoever reaches that could fill it, and have the container restarted.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

/// What is answered.
const ALIVE: &[u8] = b"alive";
/// How long the first process may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the first process of a pod answers, by the file that shows the pod's age: on a volume of the pod alone.
pub(crate) fn liveness_socket(pod_started: &Path) -> PathBuf {
    pod_started.with_extension("sock")
}

/// Asks the first process at `socket` for a sign of life.
pub fn probe(socket: &Path) -> io::Result<()> {
    let mut stream = StdUnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer == ALIVE {
        Ok(())
    } else {
        Err(io::Error::new(ErrorKind::NotConnected, "a worker is not watched"))
    }
}

/// Answers probes.
#[derive(Debug)]
pub(super) struct LivenessSocket(UnixListener);

impl LivenessSocket {
    /// Replaces the socket of the container before. Must be called in a tokio runtime.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(Self)
    }

    /// The next probe.
    pub(super) async fn next(&self) -> Option<UnixStream> {
        self.0.accept().await.ok().map(|(stream, _)| stream)
    }

    /// Answers one; `watching`: each worker is watched.
    pub(super) fn answer(stream: UnixStream, watching: bool) {
        if watching && let Ok(mut stream) = stream.into_std() {
            // The answer fits into the socket's buffer. Whoever has left needs none.
            let _ = stream.write_all(ALIVE);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_probe_succeeds_while_each_worker_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        let path = liveness_socket(&dir.path().join("started"));
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        for watching in [true, false] {
            let socket = {
                let _guard = runtime.enter();
                LivenessSocket::bind(&path).unwrap()
            };
            let asked = {
                let path = path.clone();
                thread::spawn(move || probe(&path))
            };
            runtime.block_on(async { LivenessSocket::answer(socket.next().await.unwrap(), watching) });
            assert_eq!(asked.join().unwrap().is_ok(), watching);
        }
        probe(&path).unwrap_err();
    }
}
