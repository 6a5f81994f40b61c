//! Why a call of the local API failed.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tonic::{Code, Status};

#[derive(Debug)]
pub(crate) enum ClientError {
    /// The socket does not exist, nothing listens on it, or this user may not open it.
    Connect { socket: PathBuf, source: io::Error },
    /// The listener does not speak the local API.
    NotTheApi { address: String, source: tonic::transport::Error },
    /// The daemon rejected the call.
    Rejected(Box<Status>),
    /// The connection closed before the response came.
    Closed,
}

impl ClientError {
    pub(crate) fn is_already_exists(&self) -> bool {
        self.code() == Some(Code::AlreadyExists)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    fn code(&self) -> Option<Code> {
        match self {
            Self::Rejected(status) => Some(status.code()),
            Self::Connect { .. } | Self::NotTheApi { .. } | Self::Closed => None,
        }
    }
}

impl Display for ClientError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { socket, source } => connect(socket, source, f),
            Self::NotTheApi { address, .. } => write!(f, "{address} is not the API of an entropool daemon"),
            Self::Rejected(status) => f.write_str(status.message()),
            Self::Closed => f.write_str("the daemon closed the connection before it answered; see its log"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotTheApi { source, .. } => Some(source),
            Self::Connect { .. } | Self::Rejected(_) | Self::Closed => None,
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        // The transport's own message about a closed connection says nothing to a person.
        if matches!(status.code(), Code::Unavailable | Code::Unknown) && status.source().is_some() {
            Self::Closed
        } else {
            Self::Rejected(Box::new(status))
        }
    }
}

fn connect(socket: &Path, source: &io::Error, f: &mut Formatter<'_>) -> fmt::Result {
    let socket = socket.display();
    let start = "start `entropool run`, or name its socket with --api SOCKET";
    match source.kind() {
        ErrorKind::NotFound => {
            write!(f, "cannot connect to a daemon: there is no socket {socket}; {start}")
        }
        ErrorKind::ConnectionRefused => {
            write!(f, "cannot connect to a daemon: nothing listens on {socket}; {start}")
        }
        ErrorKind::PermissionDenied => write!(
            f,
            "cannot connect to the daemon: this user may not open {socket}; run this as root or as the daemon's \
             user, or let a group open it with `entropool run --api-mode 0660`"
        ),
        _ => write!(f, "cannot connect to the daemon at {socket}: {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_error_says_where_and_what_to_do() {
        let messages =
            [ErrorKind::NotFound, ErrorKind::ConnectionRefused, ErrorKind::PermissionDenied].map(|kind| {
                ClientError::Connect { socket: "/run/entropool/api.sock".into(), source: kind.into() }
                    .to_string()
            });
        insta::assert_snapshot!(messages.join("\n"));
    }
}
