//! Which sources this node permits. A pool is configuration, and its author need not own the node.

use std::path::PathBuf;

use crate::spec::SourceKind;

/// Sources permitted beside the kernel's generator and the processor, as given when the daemon starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Character devices, spelled exactly as in the pool.
    pub devices: Vec<PathBuf>,
    /// Upstream EGD servers: paths of unix sockets or `host:port`, likewise.
    pub upstreams: Vec<String>,
    /// Regular files.
    pub test_sources: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { devices: vec!["/dev/hwrng".into()], upstreams: vec![], test_sources: false }
    }
}

impl Permissions {
    /// Whether a pool of this node may draw from it.
    pub fn permits(&self, kind: &SourceKind) -> Result<(), SourceNotPermitted> {
        let (permitted, flag) = match kind {
            SourceKind::Kernel | SourceKind::Rdseed => return Ok(()),
            SourceKind::Device(path) => {
                (self.devices.contains(path), format!("--allow-device {}", path.display()))
            }
            SourceKind::EgdUnix(path) => {
                let named = path.to_str().is_some_and(|path| self.has_upstream(path));
                (named, format!("--allow-upstream {}", path.display()))
            }
            SourceKind::EgdTcp(address) => {
                (self.has_upstream(address), format!("--allow-upstream {address}"))
            }
            SourceKind::File(_) => (self.test_sources, "--allow-test-sources".to_owned()),
        };
        if permitted { Ok(()) } else { Err(SourceNotPermitted { kind: kind.clone(), flag }) }
    }

    fn has_upstream(&self, name: &str) -> bool {
        self.upstreams.iter().any(|upstream| upstream == name)
    }
}

/// A pool names a source that this node does not permit.
#[derive(Debug, thiserror::Error)]
#[error("{kind} is not permitted on this node: start the agent with {flag} to permit it")]
pub struct SourceNotPermitted {
    kind: SourceKind,
    flag: String,
}

impl SourceNotPermitted {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        "SourceNotPermitted"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn device(path: &str) -> SourceKind {
        SourceKind::Device(path.into())
    }

    #[test]
    fn by_default_only_the_hardware_generator_is_permitted() {
        let permissions = Permissions::default();
        for kind in [SourceKind::Kernel, SourceKind::Rdseed, device("/dev/hwrng")] {
            assert!(permissions.permits(&kind).is_ok(), "{kind}");
        }
        for kind in [
            device("/dev/sda"),
            device("/dev/../dev/hwrng"),
            SourceKind::EgdUnix("/run/egd.sock".into()),
            SourceKind::EgdTcp("10.0.0.1:708".into()),
            SourceKind::File("/dev/hwrng".into()),
        ] {
            assert!(permissions.permits(&kind).is_err(), "{kind}");
        }
    }

    #[test]
    fn a_refusal_names_the_flag_that_would_allow_it() {
        let message = |kind| Permissions::default().permits(&kind).unwrap_err().to_string();
        assert_eq!(
            message(device("/dev/trng0")),
            "device /dev/trng0 is not permitted on this node: start the agent with --allow-device /dev/trng0 to permit it"
        );
        assert!(message(SourceKind::EgdTcp("up:708".into())).contains(" with --allow-upstream up:708 "));
        assert!(message(SourceKind::File("/tmp/x".into())).contains(" with --allow-test-sources "));
    }

    #[test]
    fn what_a_flag_names_is_permitted() {
        let permissions = Permissions {
            devices: vec!["/dev/trng0".into()],
            upstreams: vec!["/run/egd.sock".into(), "up:708".into()],
            test_sources: true,
        };
        for kind in [
            device("/dev/trng0"),
            SourceKind::EgdUnix("/run/egd.sock".into()),
            SourceKind::EgdTcp("up:708".into()),
            SourceKind::File("/tmp/x".into()),
        ] {
            assert!(permissions.permits(&kind).is_ok(), "{kind}");
        }
        assert!(permissions.permits(&device("/dev/hwrng")).is_err(), "the flag replaces the default");
    }
}
