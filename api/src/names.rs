//! Every name that another program may rely on. None of them may ever change.

/// The API group.
pub const GROUP: &str = "entropool.io";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// What stands as `apiVersion` in a manifest.
pub const API_VERSION: &str = "entropool.io/v1alpha1";

/// A VM's annotation, and the CSI volume's attribute: the pool it draws from.
pub const POOL_ANNOTATION: &str = "entropool.io/pool";
/// A VM's annotation, and the CSI volume's attribute: its class in that pool.
pub const CLASS_ANNOTATION: &str = "entropool.io/class";
/// The annotation in which the webhook notes pool, class and way of a launcher pod.
pub const BOUND_ANNOTATION: &str = "entropool.io/bound";

/// The label of a node whose agent can serve.
pub const AGENT_LABEL: &str = "entropool.io/agent";
/// The value of [`AGENT_LABEL`] on such a node.
pub const AGENT_READY: &str = "ready";
/// The label of a pod that runs a VM which draws from a pool.
pub const VM_LABEL: &str = "entropool.io/vm";
/// The value of [`VM_LABEL`] on such a pod.
pub const VM_TRUE: &str = "true";
/// The label that Kubernetes puts on every namespace: its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What comes before a class's name in the node resource that counts its places.
pub const RESOURCE_PREFIX: &str = "entropool.io/";

/// The CSI driver.
pub const CSI_DRIVER: &str = "csi.entropool.io";
/// The CSI attribute that says who may be served unsolicited: `qemu` or `egd`.
pub const CLIENT_ATTRIBUTE: &str = "client";
/// The audience of the agents' tokens.
pub const TOKEN_AUDIENCE: &str = "controller.entropool.io";

/// The directory of a pod's socket, in the container.
pub const POD_DIRECTORY: &str = "/run/entropool";
/// A VM's socket in its directory.
pub const SOCKET: &str = "egd.sock";
/// Where a host keeps what may be lost at a reboot.
pub const RUN_DIRECTORY: &str = "/run/entropool";
/// Where a host keeps what may not.
pub const STATE_DIRECTORY: &str = "/var/lib/entropool";
/// The group that owns sockets in pods: QEMU's in `KubeVirt`'s launcher.
pub const SOCKET_GROUP: u32 = 107;

/// The node resource that counts the places of a class.
pub fn class_resource(class: &str) -> String {
    format!("{RESOURCE_PREFIX}{class}")
}

/// What is to be said of a namespace that [`is_namespace`] does not take.
pub const NAMESPACES: &str = "a namespace has 1 to 63 of a-z, 0-9 and -, and neither begins nor ends with -";

/// Whether Kubernetes takes it for the name of a namespace: a label of RFC 1123.
pub fn is_namespace(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_label() {
        assert!(["a", "kube-system", "0", &"a".repeat(63)].into_iter().all(is_namespace));
        for wrong in ["", "-", "-a", "a-", "A", "a.b", "a/b", "ä", &"a".repeat(64)] {
            assert!(!is_namespace(wrong), "{wrong:?}");
        }
    }
}
