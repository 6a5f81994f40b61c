//! Whether a VM that is placed on the node now would get its socket, and why not.

use delivery::Nack;

use crate::kubelet::{RegistrationMessage, RegistrationStatus};

/// What that depends on. A pool whose sources are in their start-up tests is no part of it: its VMs have their sockets,
/// and their requests wait.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    /// Whether a configuration is in force, be it one without pools.
    pub(super) configured: bool,
    /// Whether what the kubelet says of a volume's pod is the kubelet's word; nothing before somebody has said so.
    pub(super) pod_info_on_mount: Option<bool>,
    /// The driver that the kubelet calls; nothing on a node without one, whose VMs are attached by hand.
    pub(super) driver: Option<RegistrationStatus>,
}

impl Readiness {
    /// Why it would not. The words are those of the refusals that its pod would be told.
    pub(super) fn missing(&self) -> Option<Nack> {
        if !self.configured {
            let message = "no configuration is in force yet: none came that could be";
            return Some(Nack::new("NotConfigured", message));
        }
        let driver = self.driver.as_ref()?;
        match self.pod_info_on_mount {
            None => {
                let message = "no controller has said whether the CSIDriver has podInfoOnMount: true";
                Some(Nack::new("PodInfoUnknown", message))
            }
            Some(false) => {
                let message = "there is no CSIDriver csi.entropool.io with podInfoOnMount: true, so no volume is published: \
                               apply the chart's";
                Some(Nack::new("PodInfoOff", message))
            }
            Some(true) => not_called(driver),
        }
    }
}

/// Why the kubelet does not call the driver.
fn not_called(driver: &RegistrationStatus) -> Option<Nack> {
    if let Some(path) = &driver.lost {
        let message = format!(
            "{} is not the agent's socket any more, so the kubelet cannot call it: delete the agent's pod",
            path.display()
        );
        return Some(Nack::new("SocketLost", message));
    }
    let message = match &driver.word {
        RegistrationMessage::Registered => return None,
        RegistrationMessage::Awaited => {
            "the kubelet has not registered the driver csi.entropool.io yet: look at agent.kubeletDir of the \
                          chart"
                .to_owned()
        }
        RegistrationMessage::Refused(error) => format!("the kubelet does not register the driver: {error}"),
    };
    Some(Nack::new("NotRegistered", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(pod_info_on_mount: Option<bool>, driver: Option<RegistrationStatus>) -> Readiness {
        Readiness { configured: true, pod_info_on_mount, driver }
    }

    fn driver(word: RegistrationMessage) -> RegistrationStatus {
        RegistrationStatus { lost: None, word }
    }

    fn missing(node: &Readiness) -> Option<String> {
        node.missing().map(|refusal| refusal.reason)
    }

    #[test]
    fn a_node_takes_vms_once_it_is_configured_and_its_kubelet_calls_the_driver() {
        let registered = || Some(driver(RegistrationMessage::Registered));
        assert_eq!(missing(&node(Some(true), registered())), None);
        let bare = Readiness { configured: false, ..node(Some(true), registered()) };
        assert_eq!(missing(&bare).as_deref(), Some("NotConfigured"));
        assert_eq!(missing(&node(None, registered())).as_deref(), Some("PodInfoUnknown"));
        assert_eq!(missing(&node(Some(false), registered())).as_deref(), Some("PodInfoOff"));
        let awaited = node(Some(true), Some(driver(RegistrationMessage::Awaited)));
        assert_eq!(missing(&awaited).as_deref(), Some("NotRegistered"));
        let lost =
            RegistrationStatus { lost: Some("/reg.sock".into()), word: RegistrationMessage::Registered };
        assert_eq!(missing(&node(Some(true), Some(lost))).as_deref(), Some("SocketLost"));
    }

    #[test]
    fn a_kubelet_that_refuses_the_driver_is_quoted() {
        let refused =
            node(Some(true), Some(driver(RegistrationMessage::Refused("no such version".to_owned()))));
        let told = refused.missing().map(|refusal| refusal.message).unwrap_or_default();
        assert_eq!(told, "the kubelet does not register the driver: no such version");
    }

    #[test]
    fn a_node_without_a_kubelet_needs_a_configuration_and_nothing_else() {
        assert_eq!(missing(&node(None, None)), None);
        let bare = Readiness { configured: false, ..node(None, None) };
        assert_eq!(missing(&bare).as_deref(), Some("NotConfigured"));
    }
}
