//! The registration of the CSI driver with the node's kubelet: without it no new pod gets its socket.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::unix_socket::SocketFile;

/// The driver's registration; empty where no driver is served.
#[derive(Debug, Default)]
pub(crate) struct RegistrationMonitor(Mutex<Option<DriverRegistration>>);

#[derive(Debug)]
struct DriverRegistration {
    /// The sockets at which the kubelet finds the driver and calls it.
    sockets: Vec<SocketFile>,
    result: RegistrationResult,
}

/// What the kubelet has answered to the registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RegistrationResult {
    Pending,
    Registered,
    /// The kubelet rejected the driver with this error.
    Refused(String),
}

/// A snapshot of the driver's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistrationStatus {
    /// A socket path that another process has taken.
    pub(crate) lost: Option<PathBuf>,
    pub(crate) result: RegistrationResult,
}

impl RegistrationMonitor {
    /// The driver is served from now on. `result` is the kubelet's previous answer for these sockets.
    pub(crate) fn set_served(&self, sockets: Vec<SocketFile>, result: RegistrationResult) {
        *self.driver() = Some(DriverRegistration { sockets, result });
    }

    /// Stores the kubelet's answer. Returns whether it changed.
    pub(crate) fn set_result(&self, result: RegistrationResult) -> bool {
        let mut driver = self.driver();
        driver.as_mut().is_some_and(|driver| std::mem::replace(&mut driver.result, result) != driver.result)
    }

    pub(crate) fn status(&self) -> Option<RegistrationStatus> {
        self.driver().as_ref().map(|driver| RegistrationStatus {
            lost: driver.sockets.iter().find(|socket| !socket.is_there()).map(|it| it.path().to_owned()),
            result: driver.result.clone(),
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
    use crate::unix_socket::{ApiSocket, OWNER_ONLY};

    #[test]
    fn the_status_is_that_of_the_sockets_and_the_last_result() {
        let monitor = RegistrationMonitor::default();
        assert!(!monitor.set_result(RegistrationResult::Registered));
        assert_eq!(monitor.status(), None);
        let dir = tempfile::tempdir().unwrap();
        let socket = ApiSocket::bind(&dir.path().join("csi.sock"), OWNER_ONLY).unwrap();
        monitor.set_served(vec![socket.file().clone()], RegistrationResult::Pending);
        assert!(monitor.set_result(RegistrationResult::Registered));
        assert!(!monitor.set_result(RegistrationResult::Registered));
        assert_eq!(
            monitor.status(),
            Some(RegistrationStatus { lost: None, result: RegistrationResult::Registered })
        );
        std::fs::remove_file(socket.file().path()).unwrap();
        let lost = monitor.status().unwrap().lost;
        assert_eq!(lost, Some(dir.path().join("csi.sock")));
    }
}
