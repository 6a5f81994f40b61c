//! Pieces of schema that several fields share. Every string, list and map is bounded: the API server
//! refuses a rule whose cost it cannot bound.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A DNS label, as in the names of pools and classes.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// An absolute path.
pub(crate) const ABSOLUTE: &str = "^/";

/// A host name or an address, and a port.
pub(crate) const TCP_ADDRESS: &str =
    r"^([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$";

/// The name of a pool or a class.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": DNS_LABEL })
}

/// An absolute path that says where it leads.
pub(crate) fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 255,
        "pattern": ABSOLUTE,
        "x-kubernetes-validations": [
            rule("!self.matches('(^|/)[.][.](/|$)')", "a path must not go up with \"..\": write where it leads"),
        ],
    })
}

/// Labels that must all be there.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 63 },
    })
}

/// One CEL rule with its sentence.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}

/// One CEL rule with its sentence, about one field of the object it stands at.
pub(crate) fn rule_at(field: &str, rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message, "fieldPath": field })
}

/// What a pattern asks, for a person; nothing for patterns that only quantities have.
pub(crate) fn pattern_sentence(pattern: &str) -> Option<&'static str> {
    match pattern {
        DNS_LABEL => Some(
            "write lower-case letters, digits and \"-\", at most 63, with a letter or digit at both ends",
        ),
        ABSOLUTE => Some("write an absolute path, which starts with \"/\""),
        TCP_ADDRESS => Some("write an address and a port, as rack7.example:708 or [fd00::7]:708"),
        _ => None,
    }
}
