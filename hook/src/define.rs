//! Rewrites the domain of a VM that names a pool.

use std::str;

use domain_xml::DomainError;

/// Why a domain is not started. `KubeVirt` shows the message in an Event of the VM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefineError {
    /// The domain's XML is not UTF-8.
    #[error("the domain's XML is not UTF-8")]
    NotText,
    /// The domain's random number generator cannot be connected.
    #[error("the VM cannot be connected to its entropy pool: {0}")]
    Domain(DomainError),
    /// The VM cannot be parsed.
    #[error("the VirtualMachineInstance is not JSON: {0}")]
    NotJson(String),
}

/// The annotation with the name of a VM's pool. A VM without it has no socket, and its sidecar was added by another
/// configuration.
const POOL: &str = "/metadata/annotations/entropool.io~1pool";

/// Connects the domain's random number generator to `socket` if the VM names a pool.
pub fn define(domain: Vec<u8>, vmi: &[u8], socket: &str) -> Result<Vec<u8>, DefineError> {
    let vmi: serde_json::Value =
        serde_json::from_slice(vmi).map_err(|error| DefineError::NotJson(error.to_string()))?;
    if vmi.pointer(POOL).is_none() {
        return Ok(domain);
    }
    let text = str::from_utf8(&domain).map_err(|_| DefineError::NotText)?;
    domain_xml::connect(text, socket).map(String::into_bytes).map_err(DefineError::Domain)
}
