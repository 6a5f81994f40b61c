//! The three hooks, their paths, and the answer to an `AdmissionReview` of version 1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::denial::Denial;
use crate::patch::Patch;
use crate::review::{AdmissionDecision, AdmissionRequest, Cluster};
use crate::{class_change, pod_mutation, virtual_machine};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Mutates new `virt-launcher` pods, and reviews a changed class of existing ones.
    Pod,
    /// Mutates `VirtualMachineInstance`s.
    Instance,
    /// Validates `VirtualMachine`s and `VirtualMachineInstance`s.
    Validate,
}

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("the body is not an AdmissionReview: {0}")]
    Unreadable(#[source] serde_json::Error),
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

#[derive(Deserialize)]
struct AdmissionReview {
    request: Option<AdmissionRequest>,
}

impl Hook {
    pub const ALL: [Self; 3] = [Self::Pod, Self::Instance, Self::Validate];

    /// The path at which the hook is served.
    pub fn path(self) -> &'static str {
        match self {
            Self::Pod => "/mutate/pods",
            Self::Instance => "/mutate/virtualmachineinstances",
            Self::Validate => "/validate/virtualmachines",
        }
    }

    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Instance => "instance",
            Self::Validate => "validate",
        }
    }

    fn decide(self, request: &AdmissionRequest, cluster: &Cluster<'_>) -> AdmissionDecision {
        let object = request.object.as_ref().unwrap_or(&Value::Null);
        let decision = match self {
            Self::Pod => match &request.old_object {
                None => pod_mutation::mutate(object, &request.namespace, cluster),
                Some(old) => class_change::review(request, old, cluster),
            },
            Self::Instance => virtual_machine::mutate(object, &request.namespace, cluster),
            Self::Validate => virtual_machine::validate(request, cluster),
        };
        decision.unwrap_or_else(AdmissionDecision::Refused)
    }
}

/// Answers the `AdmissionReview` in `body`, and returns the decision beside the answer.
pub fn answer(
    hook: Hook,
    body: &[u8],
    cluster: &Cluster<'_>,
) -> Result<(Value, AdmissionDecision), ReviewError> {
    let review: AdmissionReview = serde_json::from_slice(body).map_err(ReviewError::Unreadable)?;
    let request = review.request.ok_or(ReviewError::NoRequest)?;
    let decision = hook.decide(&request, cluster);
    let response = match &decision {
        AdmissionDecision::Allowed { patch, warnings } => allowed(&request.uid, patch, warnings),
        AdmissionDecision::Refused(denial) => refused(&request.uid, denial),
    };
    let answer =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok((answer, decision))
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

fn refused(uid: &str, denial: &Denial) -> Value {
    let (message, reason, code) = (denial.to_string(), denial.reason(), denial.code());
    json!({"uid": uid, "allowed": false, "status": {"code": code, "reason": reason, "message": message}})
}
