//! Errors of the API server as one sentence, for logs: kube's own text repeats the whole `Status` in debug format.

use std::error::Error;

pub(crate) fn api_error(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return match (status.message.as_str(), status.reason.as_str()) {
            ("", "") => format!("HTTP status {}", status.code),
            ("", reason) => format!("{reason} (HTTP status {})", status.code),
            (message, _) => message.to_owned(),
        };
    }
    // An outer error often ends with the text of the inner one.
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let cause = inner.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_api_error_is_the_message_of_its_status() {
        let status = Status { code: 403, ..Status::failure("leases is forbidden", "Forbidden") };
        assert_eq!(api_error(&kube::Error::Api(status.boxed())), "leases is forbidden");
        let bare = Status { code: 502, ..Status::default() };
        assert_eq!(api_error(&kube::Error::Api(bare.boxed())), "HTTP status 502");
    }
}
