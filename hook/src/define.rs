//! What becomes of a domain.

use std::str;

use domain_xml::DomainError;

/// Why a domain is not started. `KubeVirt` shows the sentence in an event of the VM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefineError {
    /// The domain is not text.
    #[error("the domain's XML is not UTF-8")]
    NotText,
    /// The domain's random number generator cannot be connected.
    #[error("the VM cannot be connected to its entropy pool: {0}")]
    Domain(DomainError),
    /// The VM is not text that could be read.
    #[error("the VirtualMachineInstance is not JSON: {0}")]
    NotJson(String),
}

/// The annotation that names a VM's pool. A VM that has none is left alone: somebody else's configuration brought
/// the sidecar, and it has no socket.
const POOL: &str = "/metadata/annotations/entropool.io~1pool";

/// The domain with its random number generator at `socket`, if the VM names a pool.
pub fn define(domain: Vec<u8>, vmi: &[u8], socket: &str) -> Result<Vec<u8>, DefineError> {
    let vmi: serde_json::Value =
        serde_json::from_slice(vmi).map_err(|error| DefineError::NotJson(error.to_string()))?;
    if vmi.pointer(POOL).is_none() {
        return Ok(domain);
    }
    let text = str::from_utf8(&domain).map_err(|_| DefineError::NotText)?;
    domain_xml::connect(text, socket).map(String::into_bytes).map_err(DefineError::Domain)
}
