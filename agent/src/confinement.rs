//! What the process that meets guests may do with files: Landlock.
//!
//! The agent of a node sees the kubelet's directory, and in it every pod's tokens and secrets. The worker makes and removes
//! directories and sockets there, and reads no file. Elsewhere it writes to its own directories only.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus,
};

/// The newest version whose rights are restricted; an older kernel restricts those that it knows.
const VERSION: ABI = ABI::V5;

/// Where programs find their libraries and the host's settings, and where devices are.
const SYSTEM: [&str; 7] = ["/etc", "/proc", "/sys", "/dev", "/usr", "/lib", "/lib64"];

/// What a process may do, below which paths. A path that does not exist allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Confinement {
    /// To read, and to set up devices.
    pub(crate) readable: Vec<PathBuf>,
    /// To read, write, make and remove.
    pub(crate) owned: Vec<PathBuf>,
    /// To make and remove directories and sockets, without reading or writing any file.
    pub(crate) delivered_to: Vec<PathBuf>,
}

impl Confinement {
    /// Restricts this thread, and all threads that it starts, for good. Returns whether the kernel could restrict anything.
    pub(crate) fn enter(&self) -> Result<bool, RulesetError> {
        let all = AccessFs::from_all(VERSION);
        let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::IoctlDev;
        let deliver = AccessFs::MakeDir
            | AccessFs::MakeSock
            | AccessFs::RemoveDir
            | AccessFs::RemoveFile
            | AccessFs::ReadDir;
        let system = SYSTEM.iter().map(Path::new);
        let readable = self.readable.iter().map(PathBuf::as_path).chain(system).map(|path| (path, read));
        let owned = self.owned.iter().map(|path| (path.as_path(), all));
        let delivered_to = self.delivered_to.iter().map(|path| (path.as_path(), deliver));
        let rules = readable.chain(owned).chain(delivered_to).filter_map(rule);
        let status = Ruleset::default().handle_access(all)?.create()?.add_rules(rules)?.restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

fn rule((path, access): (&Path, BitFlags<AccessFs>)) -> Option<Result<PathBeneath<PathFd>, RulesetError>> {
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
    Some(Ok(PathBeneath::new(PathFd::new(path).ok()?, access)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_worker_reads_no_pods_token_and_delivers_sockets_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let [own, pods, other, tokens] = ["own", "pods", "other", "tokens"].map(|name| dir.path().join(name));
        for dir in [&own, &pods.join("1"), &other, &tokens] {
            fs::create_dir_all(dir).unwrap();
        }
        for file in [pods.join("1/token"), other.join("secret"), tokens.join("token")] {
            fs::write(file, "secret").unwrap();
        }
        let confinement = Confinement {
            readable: vec![tokens.clone(), dir.path().join("missing")],
            owned: vec![own.clone()],
            delivered_to: vec![pods.clone()],
        };
        // A thread is restricted alone.
        let confined = std::thread::spawn(move || {
            assert!(confinement.enter().unwrap(), "this kernel has no Landlock, which the test needs");
            let denied = |result: std::io::Result<()>| {
                result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
            };
            for file in [pods.join("1/token"), other.join("secret")] {
                assert!(denied(fs::read(&file).map(drop)), "{}", file.display());
                assert!(denied(fs::write(&file, "")), "{}", file.display());
            }
            assert!(denied(fs::write(pods.join("1/new"), "")));
            assert!(denied(fs::write(tokens.join("token"), "")));
            assert!(denied(fs::create_dir(other.join("new"))));

            assert_eq!(fs::read(tokens.join("token")).unwrap(), b"secret");
            fs::write(own.join("state"), "1").unwrap();
            fs::rename(own.join("state"), own.join("state-2")).unwrap();
            let volume = pods.join("1/mount");
            fs::create_dir(&volume).unwrap();
            drop(UnixListener::bind(volume.join(".egd.new")).unwrap());
            fs::rename(volume.join(".egd.new"), volume.join("egd.sock")).unwrap();
            fs::remove_file(volume.join("egd.sock")).unwrap();
            fs::remove_dir(&volume).unwrap();
            assert!(!fs::read("/etc/hostname").unwrap_or_else(|_| b"none".to_vec()).is_empty());
        });
        confined.join().unwrap();
        assert_eq!(
            fs::read(dir.path().join("other/secret")).unwrap(),
            b"secret",
            "others are not restricted"
        );
    }
}
