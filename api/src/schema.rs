//! Parts of the schema that several fields share. Every string, list and map is bounded, because the API server
//! rejects rules whose cost it cannot estimate.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A DNS label, for the names of pools and classes.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

pub(crate) const ABSOLUTE: &str = "^/";

/// A host name or an address, and a port.
pub(crate) const TCP_ADDRESS: &str =
    r"^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$";

/// The name of a pool or a class.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": DNS_LABEL })
}

/// An absolute path without `..`.
pub(crate) fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 255,
        "pattern": ABSOLUTE,
        "x-kubernetes-validations": [
            rule("!self.matches('(^|/)[.][.](/|$)')", "a path must not contain \"..\": write the path that it resolves to"),
        ],
    })
}

/// A set of labels, as in a `nodeSelector`.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}

/// A CEL rule and its message.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}

/// A CEL rule and its message, about one field of the object that the rule belongs to.
pub(crate) fn rule_at(field: &str, rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message, "fieldPath": field })
}

/// A description of a pattern for people; `None` for the patterns of quantities.
pub(crate) fn describe_pattern(pattern: &str) -> Option<&'static str> {
    match pattern {
        DNS_LABEL => Some(
            "use at most 63 lowercase letters, digits and \"-\", and start and end with a letter or digit",
        ),
        ABSOLUTE => Some("write an absolute path, which starts with \"/\""),
        TCP_ADDRESS => Some("write an address and a port, such as rack7.example:708 or [fd00::7]:708"),
        _ => None,
    }
}
