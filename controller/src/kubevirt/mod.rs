//! Determines the injection method of the cluster from `KubeVirt`'s objects, and writes our `Plugin`.

mod plugin_reconciler;
mod state;

pub(crate) use plugin_reconciler::{PluginReconciler, watch};
