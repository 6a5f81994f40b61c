//! How a VM's domain is changed in this cluster: by `KubeVirt`'s `Plugin`, or by a sidecar.

mod plugin_reconciler;
mod state;

pub(crate) use plugin_reconciler::{PluginReconciler, follow};
use state::KubeVirtState;
