//! What an API server's audit log says of its calls.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// One call, once it was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who, as authentication has it.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Empty for the group of `pods` and `nodes`.
    pub group: String,
    /// In the plural and with its subresource: `nodes/status`. A path for what is no resource.
    pub resource: String,
    /// The object's, empty where the call names none.
    pub namespace: String,
    /// The object's, empty where the call names none.
    pub name: String,
    /// Of HTTP.
    pub code: u16,
    /// Whether authorisation let it in; another check may still have refused it.
    pub allowed: bool,
    /// By which rule it was let in, as the authoriser says it.
    pub reason: String,
}

/// All calls of the log at `path`; a line that is being written yet is left out.
pub(super) fn read(path: &Path) -> Result<Vec<Call>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| Ok(call(&serde_json::from_str(line)?))).collect()
}

fn call(event: &Value) -> Call {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let annotation = |name: &str| event["annotations"][name].as_str().unwrap_or_default().to_owned();
    Call {
        user: text("/user/username"),
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource: resource(event),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        code: event["responseStatus"]["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(0),
        allowed: annotation("authorization.k8s.io/decision") == "allow",
        reason: annotation("authorization.k8s.io/reason"),
    }
}

fn resource(event: &Value) -> String {
    let object = &event["objectRef"];
    match (object["resource"].as_str(), object["subresource"].as_str()) {
        (Some(resource), Some(part)) => format!("{resource}/{part}"),
        (Some(resource), None) => resource.to_owned(),
        _ => event["requestURI"].as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINES: &str = r#"{"verb":"patch","user":{"username":"u"},"objectRef":{"resource":"nodes","name":"n1","subresource":"status"},"responseStatus":{"code":403},"annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":""}}
{"verb":"get","user":{"username":"v"},"requestURI":"/readyz","responseStatus":{"code":200},"annotations":{"authorization.k8s.io/decision":"allow"}}
{"verb":"wat"#;

    #[test]
    fn a_line_is_a_call_and_half_a_line_is_none_yet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        fs::write(&path, LINES).unwrap();
        let [refused, ready] = &read(&path).unwrap()[..] else { panic!("not two calls") };
        assert_eq!((refused.resource.as_str(), refused.code, refused.allowed), ("nodes/status", 403, false));
        assert_eq!((ready.resource.as_str(), ready.code, ready.allowed), ("/readyz", 200, true));
    }
}
