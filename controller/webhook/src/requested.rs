//! What a VM's metadata ask for.

use api::names::{CLASS_ANNOTATION, POOL_ANNOTATION};
use serde_json::Value;

use crate::denial::Denial;

/// A pool, and perhaps a class of it, as a user wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requested<'a> {
    pub(crate) pool: &'a str,
    pub(crate) class: Option<&'a str>,
}

impl<'a> Requested<'a> {
    /// What `metadata` name; `None` where they name no pool.
    pub(crate) fn of(metadata: &'a Value) -> Result<Option<Self>, Denial> {
        let Some(pool) = annotation(metadata, POOL_ANNOTATION) else { return Ok(None) };
        let class = annotation(metadata, CLASS_ANNOTATION);
        if pool.is_empty() {
            return Err(Denial::Empty { key: POOL_ANNOTATION, expected: "name a pool, or leave it out" });
        }
        if class == Some("") {
            let expected = "name a class, or leave it out for the pool's default class";
            return Err(Denial::Empty { key: CLASS_ANNOTATION, expected });
        }
        Ok(Some(Self { pool, class }))
    }
}

pub(crate) fn annotation<'a>(metadata: &'a Value, key: &str) -> Option<&'a str> {
    metadata["annotations"][key].as_str()
}
