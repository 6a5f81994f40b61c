//! Pieces of schema that several fields share. Every string, list and map is bounded: the API server
//! refuses a rule whose cost it cannot bound.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A DNS label, as in the names of pools and classes.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// The name of a pool or a class.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": DNS_LABEL })
}

/// An absolute path that says where it leads.
pub(crate) fn absolute_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 255,
        "pattern": "^/",
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
