//! `AdmissionReview`, version 1: what the API server asks, and how it is answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::hook::Hook;
use crate::injection_method::InjectionMethod;
use crate::patch::Patch;
use crate::pool_index::{ClassSlot, PoolIndex};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It is not what an API server sends.
    #[error("the body is no AdmissionReview: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// It asks nothing.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

/// What a request is judged by.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// What may be named.
    pub pools: &'a PoolIndex,
    /// How a domain is changed.
    pub injection: &'a InjectionMethod,
    /// Whether every place of a kind is taken now, on one node or on every. Asked only of places that are counted.
    pub full: &'a dyn Fn(&ClassSlot, Option<&str>) -> bool,
}

impl Cluster<'_> {
    /// What is told of a place that nobody can have at the moment.
    pub(crate) fn warning(&self, place: &ClassSlot) -> Option<String> {
        let ClassSlot { pool, class: Some(class), resource: Some(_) } = place else { return None };
        (self.full)(place, None).then(|| {
            format!("class {class} of pool {pool} has no place left on any node now; the VM waits until one is free")
        })
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It goes on.
    Allowed {
        /// Changed like this.
        patch: Patch,
        /// The user is told this.
        warnings: Vec<String>,
    },
    /// It ends here.
    Refused(Denial),
}

impl Decision {
    /// It is none of our business.
    pub(crate) fn unchanged() -> Self {
        Self::Allowed { patch: Patch::default(), warnings: Vec::new() }
    }
}

/// What the API server wants judged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AdmissionRequest {
    uid: String,
    pub(crate) namespace: String,
    pub(crate) object: Option<Value>,
    pub(crate) old_object: Option<Value>,
}

#[derive(Deserialize)]
struct AdmissionReview {
    request: Option<AdmissionRequest>,
}

/// Answers the `AdmissionReview` in `body`, and says what was decided.
pub fn answer(hook: Hook, body: &[u8], cluster: &Cluster<'_>) -> Result<(Value, Decision), ReviewError> {
    let review: AdmissionReview = serde_json::from_slice(body).map_err(ReviewError::Unreadable)?;
    let asked = review.request.ok_or(ReviewError::NoRequest)?;
    let verdict = hook.decide(&asked, cluster);
    let response = match &verdict {
        Decision::Allowed { patch, warnings } => allowed(&asked.uid, patch, warnings),
        Decision::Refused(refusal) => refused(&asked.uid, refusal),
    };
    let answer =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok((answer, verdict))
}

fn allowed(uid: &str, patch: &Patch, warnings: &[String]) -> Value {
    let mut response = json!({"uid": uid, "allowed": true});
    if !patch.is_empty() {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(STANDARD.encode(json!(patch).to_string()));
    }
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    response
}

fn refused(uid: &str, refusal: &Denial) -> Value {
    let (message, reason, code) = (refusal.to_string(), refusal.reason(), refusal.code());
    json!({"uid": uid, "allowed": false, "status": {"code": code, "reason": reason, "message": message}})
}
