//! What still uses entropool: VMs that name a pool, and pods with a volume of its driver.

use api::names::{CSI_DRIVER, POOL_ANNOTATION};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use crate::error::{UninstallError, is_not_found};
use crate::list::list;
use crate::usage::{Usage, User};

/// The annotation of `KubeVirt`'s launcher pod with the VM's name.
const DOMAIN_ANNOTATION: &str = "kubevirt.io/domain";

/// Reads what uses entropool now. A VM that has ended its work, and a pod that has, no longer do.
pub async fn read_usage(client: &Client) -> Result<Usage, UninstallError> {
    let mut usage = Usage::default();
    let pods = Api::<Pod>::all(client.clone());
    list(&pods, "pods", |pod| user_pod(&pod)).await?.into_iter().for_each(|user| usage.add(user));
    for (kind, plural) in
        [("VirtualMachine", "virtualmachines"), ("VirtualMachineInstance", "virtualmachineinstances")]
    {
        let api = Api::<DynamicObject>::all_with(client.clone(), &kubevirt(kind, plural));
        match list(&api, plural, |object| user_vm(&object)).await {
            Ok(found) => found.into_iter().for_each(|user| usage.add(user)),
            // KubeVirt is not installed.
            Err(UninstallError::Api { source, .. }) if is_not_found(&source) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(usage)
}

fn kubevirt(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: "kubevirt.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "kubevirt.io/v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// A pod whose volume an agent has to unpublish before the pod can end.
fn user_pod(pod: &Pod) -> Option<User> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let ours = volumes.filter_map(|volume| volume.csi.as_ref()).any(|csi| csi.driver == CSI_DRIVER);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    // Without a kubelet's word the pod may still start, and a pod that is being deleted may still have its volume.
    if !ours || matches!(phase, Some("Succeeded" | "Failed")) {
        return None;
    }
    let namespace = pod.namespace().unwrap_or_default();
    Some(match pod.annotations().get(DOMAIN_ANNOTATION) {
        Some(vm) => User::Vm((namespace, vm.clone())),
        None => User::Pod((namespace, pod.name_any())),
    })
}

/// A VM whose template names a pool, or an instance that does and has not ended.
fn user_vm(object: &DynamicObject) -> Option<User> {
    let of_template = &object.data["spec"]["template"]["metadata"]["annotations"][POOL_ANNOTATION];
    let ended = matches!(object.data["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let named = matches!(of_template, Value::String(_)) || object.annotations().contains_key(POOL_ANNOTATION);
    let name = || (object.namespace().unwrap_or_default(), object.name_any());
    (named && !ended).then(|| User::Vm(name()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::usage::Name;

    fn name(namespace: &str, name: &str) -> Name {
        (namespace.to_owned(), name.to_owned())
    }

    fn pod(driver: &str, phase: &str, annotations: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "shop", "annotations": annotations},
            "spec": {"containers": [], "volumes": [{"name": "a", "emptyDir": {}}, {"name": "e", "csi": {"driver": driver}}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn pod_uses_entropool_while_it_has_a_volume_of_the_driver_and_has_not_ended() {
        let none = json!({});
        assert_eq!(user_pod(&pod("csi.entropool.io", "Pending", &none)), Some(User::Pod(name("shop", "p"))));
        let launcher = pod("csi.entropool.io", "Running", &json!({"kubevirt.io/domain": "web"}));
        assert_eq!(user_pod(&launcher), Some(User::Vm(name("shop", "web"))));
        for (driver, phase) in
            [("other.example", "Running"), ("csi.entropool.io", "Succeeded"), ("csi.entropool.io", "Failed")]
        {
            assert_eq!(user_pod(&pod(driver, phase, &none)), None, "{driver} {phase}");
        }
        assert_eq!(user_pod(&Pod::default()), None);
    }

    #[test]
    fn vm_uses_entropool_if_its_template_names_a_pool_even_if_it_is_stopped() {
        let vm = |object: Value| {
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            user_vm(&object)
        };
        let meta = json!({"name": "web", "namespace": "shop"});
        let pool = json!({"entropool.io/pool": "default"});
        let named = json!({"metadata": meta, "spec": {"template": {"metadata": {"annotations": pool}}}});
        assert_eq!(vm(named), Some(User::Vm(name("shop", "web"))));
        let instance = |phase: &str| json!({"metadata": {"name": "web", "namespace": "shop", "annotations": pool}, "status": {"phase": phase}});
        assert_eq!(vm(instance("Running")), Some(User::Vm(name("shop", "web"))));
        assert_eq!(vm(instance("Succeeded")), None);
        assert_eq!(vm(json!({"metadata": meta, "spec": {"template": {"metadata": null}}})), None);
        assert_eq!(vm(json!({"metadata": meta})), None);
    }
}
