//! Whether a VM that is scheduled to the node now would get its socket, and why not.

use delivery::Nack;

use crate::health::driver_registration::{RegistrationResult, RegistrationStatus};

/// What readiness depends on. Pools whose sources are in their start-up tests do not matter: their VMs get sockets, and
/// their requests wait.
#[derive(Clone, Debug)]
pub(super) struct AgentReadiness {
    /// Whether a configuration is applied, even one without pools.
    pub(super) configured: bool,
    /// Whether the `CSIDriver` has `podInfoOnMount`; `None` before a controller has sent it.
    pub(super) pod_info_on_mount: Option<bool>,
    /// The registration of the CSI driver; `None` on a node without one, whose VMs are attached by hand.
    pub(super) driver: Option<RegistrationStatus>,
}

impl AgentReadiness {
    /// Why the node is not ready. The reasons are those that its pods would be refused with.
    pub(super) fn missing(&self) -> Option<Nack> {
        if !self.configured {
            let message = "no configuration is applied yet: none was received that could be";
            return Some(Nack::new("NotConfigured", message));
        }
        let driver = self.driver.as_ref()?;
        match self.pod_info_on_mount {
            None => {
                let message = "no controller has sent yet whether the CSIDriver has podInfoOnMount: true";
                Some(Nack::new("PodInfoUnknown", message))
            }
            Some(false) => {
                let message = "there is no CSIDriver csi.entropool.io with podInfoOnMount: true, so no volume is published: \
                               apply the chart's";
                Some(Nack::new("PodInfoOff", message))
            }
            Some(true) => not_registered(driver),
        }
    }
}

/// Why the kubelet does not call the driver.
fn not_registered(driver: &RegistrationStatus) -> Option<Nack> {
    if let Some(path) = &driver.lost {
        let message = format!(
            "{} is no longer the agent's socket, so the kubelet cannot call it: delete the agent's pod",
            path.display()
        );
        return Some(Nack::new("SocketLost", message));
    }
    let message = match &driver.result {
        RegistrationResult::Registered => return None,
        RegistrationResult::Pending => {
            "the kubelet has not registered the driver csi.entropool.io yet: check agent.kubeletDir of the \
                          chart"
                .to_owned()
        }
        RegistrationResult::Refused(error) => format!("the kubelet rejected the driver: {error}"),
    };
    Some(Nack::new("NotRegistered", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(pod_info_on_mount: Option<bool>, driver: Option<RegistrationStatus>) -> AgentReadiness {
        AgentReadiness { configured: true, pod_info_on_mount, driver }
    }

    fn driver(result: RegistrationResult) -> RegistrationStatus {
        RegistrationStatus { lost: None, result }
    }

    fn missing(node: &AgentReadiness) -> Option<String> {
        node.missing().map(|refusal| refusal.reason)
    }

    #[test]
    fn a_node_is_ready_once_it_is_configured_and_its_driver_is_registered() {
        let registered = || Some(driver(RegistrationResult::Registered));
        assert_eq!(missing(&node(Some(true), registered())), None);
        let unconfigured = AgentReadiness { configured: false, ..node(Some(true), registered()) };
        assert_eq!(missing(&unconfigured).as_deref(), Some("NotConfigured"));
        assert_eq!(missing(&node(None, registered())).as_deref(), Some("PodInfoUnknown"));
        assert_eq!(missing(&node(Some(false), registered())).as_deref(), Some("PodInfoOff"));
        let pending = node(Some(true), Some(driver(RegistrationResult::Pending)));
        assert_eq!(missing(&pending).as_deref(), Some("NotRegistered"));
        let lost =
            RegistrationStatus { lost: Some("/reg.sock".into()), result: RegistrationResult::Registered };
        assert_eq!(missing(&node(Some(true), Some(lost))).as_deref(), Some("SocketLost"));
    }

    #[test]
    fn the_message_quotes_the_kubelet() {
        let refused =
            node(Some(true), Some(driver(RegistrationResult::Refused("no such version".to_owned()))));
        let message = refused.missing().map(|refusal| refusal.message).unwrap_or_default();
        assert_eq!(message, "the kubelet rejected the driver: no such version");
    }

    #[test]
    fn a_node_without_a_driver_needs_only_a_configuration() {
        assert_eq!(missing(&node(None, None)), None);
        let unconfigured = AgentReadiness { configured: false, ..node(None, None) };
        assert_eq!(missing(&unconfigured).as_deref(), Some("NotConfigured"));
    }
}
