//! Errors of the API server, for people.

use std::fmt::{self, Display, Formatter};

use kube::client::UpgradeConnectionError;

/// A failed call of the API server: one sentence with the call, the HTTP status and the server's message. kube's own
/// `Display` repeats the whole response.
#[derive(Debug)]
pub(super) struct ApiError {
    call: String,
    source: kube::Error,
}

impl ApiError {
    /// `call` is a verb and its object, such as `list pods`.
    pub(super) fn new(call: impl Into<String>, source: kube::Error) -> Self {
        Self { call: call.into(), source }
    }
}

impl Display for ApiError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.call)?;
        match &self.source {
            kube::Error::Api(status) => match (&*status.reason, &*status.message) {
                ("", "") => write!(f, "the API server answered {}", status.code),
                ("", message) => write!(f, "{message} ({})", status.code),
                (reason, "") => write!(f, "{reason} ({})", status.code),
                (reason, message) => write!(f, "{reason} ({}): {message}", status.code),
            },
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
                write!(f, "the API server answered {status}")
            }
            other => {
                let mut cause: &dyn std::error::Error = other;
                while let Some(source) = cause.source() {
                    cause = source;
                }
                write!(f, "{cause}")
            }
        }
    }
}

// The message contains the cause, and a chain would print it again.
impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16, reason: &str, message: &str) -> kube::Error {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        kube::Error::Api(Status { code, reason, message, ..Status::default() }.boxed())
    }

    #[test]
    fn api_error_is_one_sentence() {
        let forbidden = "pods is forbidden: User \"eve\" cannot list resource \"pods\" in API group \"\"";
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let errors = [
            ("list pods", api(403, "Forbidden", forbidden)),
            ("list entropypools", api(404, "NotFound", "")),
            ("get pod web", api(500, "", "")),
            ("get pod web", kube::Error::ReadEvents(io)),
        ];
        let sentences =
            errors.map(|(call, error)| format!("{:#}", anyhow::Error::from(ApiError::new(call, error))));
        insta::assert_snapshot!(sentences.join("\n"));
    }
}
