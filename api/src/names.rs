//! The names that other programs rely on. They must never change.

pub const GROUP: &str = "entropool.io";
pub const VERSION: &str = "v1alpha1";
/// The `apiVersion` of manifests.
pub const API_VERSION: &str = "entropool.io/v1alpha1";

/// The annotation of a VM, and the attribute of a CSI volume, that names the pool.
pub const POOL_ANNOTATION: &str = "entropool.io/pool";
/// The annotation of a VM, and the attribute of a CSI volume, that names the class in the pool.
pub const CLASS_ANNOTATION: &str = "entropool.io/class";
/// The annotation in which the webhook records pool, class and injection method of a launcher pod.
pub const BOUND_ANNOTATION: &str = "entropool.io/bound";

/// The label of nodes whose agent is ready.
pub const AGENT_LABEL: &str = "entropool.io/agent";
pub const AGENT_READY: &str = "ready";
/// The label of pods that run a VM that uses a pool.
pub const VM_LABEL: &str = "entropool.io/vm";
pub const VM_TRUE: &str = "true";
/// The label that Kubernetes sets on every namespace, with its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The prefix of the extended resource that counts the slots of a class.
pub const RESOURCE_PREFIX: &str = "entropool.io/";

pub const CSI_DRIVER: &str = "csi.entropool.io";
/// The CSI attribute that names the kind of client: `qemu`, which may be sent unsolicited bytes, or `egd`.
pub const CLIENT_ATTRIBUTE: &str = "client";
/// The audience of agents' tokens.
pub const TOKEN_AUDIENCE: &str = "controller.entropool.io";

/// The directory with the socket, in a pod's container.
pub const POD_DIRECTORY: &str = "/run/entropool";
/// The file name of a VM's socket.
pub const SOCKET: &str = "egd.sock";
/// The directory for state that need not survive a reboot, on a host.
pub const RUN_DIRECTORY: &str = "/run/entropool";
/// The directory for state that must survive a reboot, on a host.
pub const STATE_DIRECTORY: &str = "/var/lib/entropool";
/// The group of sockets in pods: QEMU's group in `KubeVirt`'s launcher.
pub const SOCKET_GROUP: u32 = 107;

/// The extended resource that counts the slots of a class.
pub fn class_resource(class: &str) -> String {
    format!("{RESOURCE_PREFIX}{class}")
}

/// The message for names that [`is_namespace`] rejects.
pub const NAMESPACES: &str = "a namespace consists of 1 to 63 lowercase letters, digits and '-', and starts and ends with a letter or \
     digit";

/// Whether `name` is valid for a namespace: a label of RFC 1123.
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
    fn namespace_names_are_dns_labels() {
        assert!(["a", "kube-system", "0", &"a".repeat(63)].into_iter().all(is_namespace));
        for invalid in ["", "-", "-a", "a-", "A", "a.b", "a/b", "ä", &"a".repeat(64)] {
            assert!(!is_namespace(invalid), "{invalid:?}");
        }
    }
}
