//! Why the daemon gave no answer.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tonic::{Code, Status};

/// Why the daemon gave no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody listens, or not for us.
    Connect { socket: PathBuf, source: io::Error },
    /// Whoever listens does not speak the local API.
    Speak { place: String, source: tonic::transport::Error },
    /// The daemon refused; it says why.
    Refused(Box<Status>),
    /// The daemon went away while it was asked.
    Gone,
    /// The answer holds nothing.
    Empty,
}

impl ClientError {
    /// Whether what was to be made is there already.
    pub(crate) fn is_already_there(&self) -> bool {
        self.code() == Some(Code::AlreadyExists)
    }

    /// Whether what was named is not there.
    pub(crate) fn is_unknown(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(status) => Some(status.code()),
            Self::Connect { .. } | Self::Speak { .. } | Self::Gone | Self::Empty => None,
        }
    }
}

impl Display for ClientError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { socket, source } => connect(socket, source, f),
            Self::Speak { place, .. } => write!(f, "{place} is not the local API of an entropool daemon"),
            Self::Refused(status) => f.write_str(status.message()),
            Self::Gone => f.write_str("the daemon ended before it answered"),
            Self::Empty => {
                f.write_str("the daemon's answer is empty: is it much older or newer than this program?")
            }
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Speak { source, .. } => Some(source),
            Self::Connect { .. } | Self::Refused(_) | Self::Gone | Self::Empty => None,
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        // What the transport says of a closed connection is no sentence for a person.
        if matches!(status.code(), Code::Unavailable | Code::Unknown) && status.source().is_some() {
            Self::Gone
        } else {
            Self::Refused(Box::new(status))
        }
    }
}

fn connect(socket: &Path, source: &io::Error, f: &mut Formatter<'_>) -> fmt::Result {
    let socket = socket.display();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            let what = if source.kind() == ErrorKind::NotFound {
                "there is no such socket"
            } else {
                "nobody listens"
            };
            write!(
                f,
                "no daemon at {socket}: {what}; start `entropool run`, or name its socket with --api SOCKET"
            )
        }
        ErrorKind::PermissionDenied => {
            write!(f, "{socket} is not open to this user: it is for its owner and its group")
        }
        _ => write!(f, "cannot connect to the daemon at {socket}: {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_there_says_where_and_what_to_do() {
        let said =
            [ErrorKind::NotFound, ErrorKind::ConnectionRefused, ErrorKind::PermissionDenied].map(|kind| {
                ClientError::Connect { socket: "/run/entropool/api.sock".into(), source: kind.into() }
                    .to_string()
            });
        insta::assert_snapshot!(said.join("\n"));
    }
}
