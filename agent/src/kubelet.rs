//! What the node's kubelet makes of the driver: without it, no pod that comes gets its socket.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::SocketFile;

/// How the driver stands with the kubelet; nothing is known where none is served.
#[derive(Debug, Default)]
pub(crate) struct RegistrationMonitor(Mutex<Option<DriverRegistration>>);

#[derive(Debug)]
struct DriverRegistration {
    /// Where the kubelet looks for the driver, and calls it.
    sockets: Vec<SocketFile>,
    word: RegistrationMessage,
}

/// What the kubelet has said of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RegistrationMessage {
    /// Nothing yet.
    Awaited,
    /// It calls it for volumes.
    Registered,
    /// It does not, for this reason.
    Refused(String),
}

/// How the driver stands at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistrationStatus {
    /// A socket that is not the driver's any more.
    pub(crate) lost: Option<PathBuf>,
    /// What the kubelet has said.
    pub(crate) word: RegistrationMessage,
}

impl RegistrationMonitor {
    /// The driver is served from now on. `word` is what the kubelet said of these very sockets before.
    pub(crate) fn served(&self, sockets: Vec<SocketFile>, word: RegistrationMessage) {
        *self.driver() = Some(DriverRegistration { sockets, word });
    }

    /// The kubelet says something of the driver; says whether that is news.
    pub(crate) fn said(&self, word: RegistrationMessage) -> bool {
        let mut driver = self.driver();
        driver.as_mut().is_some_and(|driver| std::mem::replace(&mut driver.word, word) != driver.word)
    }

    /// How the driver stands now.
    pub(crate) fn standing(&self) -> Option<RegistrationStatus> {
        self.driver().as_ref().map(|driver| RegistrationStatus {
            lost: driver.sockets.iter().find(|socket| !socket.is_there()).map(|it| it.path().to_owned()),
            word: driver.word.clone(),
        })
    }

    fn driver(&self) -> MutexGuard<'_, Option<DriverRegistration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::{ApiSocket, OWNER_ONLY};

    #[test]
    fn a_driver_stands_as_its_sockets_do_and_as_the_kubelet_said_last() {
        let kubelet = RegistrationMonitor::default();
        assert!(!kubelet.said(RegistrationMessage::Registered));
        assert_eq!(kubelet.standing(), None);
        let dir = tempfile::tempdir().unwrap();
        let socket = ApiSocket::bind(&dir.path().join("csi.sock"), OWNER_ONLY).unwrap();
        kubelet.served(vec![socket.file().clone()], RegistrationMessage::Awaited);
        assert!(kubelet.said(RegistrationMessage::Registered));
        assert!(!kubelet.said(RegistrationMessage::Registered));
        assert_eq!(
            kubelet.standing(),
            Some(RegistrationStatus { lost: None, word: RegistrationMessage::Registered })
        );
        std::fs::remove_file(socket.file().path()).unwrap();
        let lost = kubelet.standing().unwrap().lost;
        assert_eq!(lost, Some(dir.path().join("csi.sock")));
    }
}
