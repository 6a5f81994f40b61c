//! Addresses of sockets, and which VM ids make a path.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// File name of every VM's socket.
pub(crate) const SOCKET: &str = "egd.sock";

/// `sun_path` holds 108 bytes, the last of them a NUL.
const MAX_PATH: usize = 107;

const MAX_ID: usize = 128;

/// The address at which a VM connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in its own directory.
    Unix(PathBuf),
    /// A port of this host's loopback interface.
    Tcp(SocketAddr),
}

impl Display for Address {
    /// The path, or `tcp:` and the address.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// Where a VM's socket is, if not in the socket directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerLocation {
    /// A port of this host's loopback interface.
    Port(SocketAddr),
    /// In a directory of the caller, as in [`DataPlaneHandle::attach_in`](crate::DataPlaneHandle::attach_in).
    Elsewhere,
}

/// Why an id makes no socket path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The id is not a file name.
    #[error("VM name {id:?} {problem}; a name is 1 to 128 bytes, has no '/' and does not begin with '.'")]
    Id { id: String, problem: &'static str },
    #[error(
        "socket path {path} has {length} bytes, and the kernel takes at most 107; \
         choose a shorter socket directory or VM name", path = path.display()
    )]
    TooLong { path: PathBuf, length: usize },
}

impl PathError {
    /// One word for logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Id { .. } => "InvalidVmName",
            Self::TooLong { .. } => "SocketPathTooLong",
        }
    }
}

/// The socket of VM `id` under `socket_dir`, checked but not touched.
pub fn socket_path(socket_dir: &Path, id: &str) -> Result<PathBuf, PathError> {
    if let Some(problem) = problem(id) {
        return Err(PathError::Id { id: id.to_owned(), problem });
    }
    let path = socket_dir.join(id).join(SOCKET);
    let length = path.as_os_str().len();
    if length > MAX_PATH { Err(PathError::TooLong { path, length }) } else { Ok(path) }
}

fn problem(id: &str) -> Option<&'static str> {
    match id {
        "" => Some("is empty"),
        _ if id.len() > MAX_ID => Some("is too long"),
        _ if id.contains('/') => Some("has a '/'"),
        _ if id.starts_with('.') => Some("begins with '.'"),
        _ if id.chars().any(char::is_control) => Some("has a control character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_becomes_one_directory_and_nothing_else() {
        let dir = Path::new("/run/entropool/vm");
        assert_eq!(socket_path(dir, "web-1").unwrap(), Path::new("/run/entropool/vm/web-1/egd.sock"));
        for id in ["", ".", "..", "a/b", "/a", ".hidden", "a\0b", "a\nb", &"x".repeat(129)] {
            assert_eq!(socket_path(dir, id).unwrap_err().reason(), "InvalidVmName", "{id:?}");
        }
    }

    #[test]
    fn a_path_of_108_bytes_is_rejected() {
        let dir = PathBuf::from(format!("/{}", "d".repeat(95)));
        assert_eq!(socket_path(&dir, "a").unwrap().as_os_str().len(), 107);
        let refused = socket_path(&dir, "ab").unwrap_err().to_string();
        assert!(refused.contains("has 108 bytes") && refused.contains("shorter"), "{refused}");
    }
}
