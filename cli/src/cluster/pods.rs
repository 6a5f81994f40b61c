//! The pods of VMs. People name a VM; an agent knows it by the UID of its pod.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::{Context, Result, anyhow, bail};
use api::names::{CLASS_ANNOTATION, VM_LABEL, VM_TRUE};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::api_error::ApiError;
use super::objects::metadata;

/// The label of `KubeVirt`'s launcher pods.
const LAUNCHER: (&str, &str) = ("kubevirt.io", "virt-launcher");
/// The annotation of a launcher pod with the VM's name.
const DOMAIN: &str = "kubevirt.io/domain";
/// The label of a launcher pod with the UID of its `VirtualMachineInstance`.
const CREATED_BY: &str = "kubevirt.io/created-by";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundPod {
    /// The VM's name, or the pod's own.
    pub(super) name: String,
    pub(super) pod: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) node: String,
    /// The class that its annotation names.
    pub(super) class: Option<String>,
    /// Whether it runs a VM that names a pool.
    is_vm: bool,
}

/// The names of the VMs, and of other pods, by the UIDs of the pods. A caller that may not list pods sees UIDs.
pub(super) async fn names(client: &Client) -> BTreeMap<String, String> {
    let pods = metadata::<Pod>(client).await.unwrap_or_default();
    let name = |annotations: &BTreeMap<String, String>| annotations.get(DOMAIN).cloned();
    pods.into_iter()
        .filter_map(|pod| Some((pod.uid()?, name(pod.annotations()).unwrap_or_else(|| pod.name_any()))))
        .collect()
}

/// Finds the pod of a VM, or the pod of that name.
pub(super) async fn find(client: &Client, namespace: Option<&str>, name: &str) -> Result<FoundPod> {
    let api = api(client, namespace);
    let pod = match pod_of_vm(client, &api, namespace, name).await? {
        Some(pod) => pod,
        None => {
            let pod =
                api.get_opt(name).await.map_err(|error| ApiError::new(format!("get pod {name}"), error))?;
            pod.ok_or_else(|| {
                anyhow!("there is no running VM and no pod {name} in this namespace; name another namespace with -n")
            })?
        }
    };
    found(&pod)
}

fn found(pod: &Pod) -> Result<FoundPod> {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    // Any pod with a volume has the first label; only a VM's has both.
    let is_vm = [(VM_LABEL, VM_TRUE), LAUNCHER]
        .iter()
        .all(|(label, value)| pod.labels().get(*label).is_some_and(|found| found == value));
    Ok(FoundPod {
        name: pod.annotations().get(DOMAIN).cloned().unwrap_or_else(|| pod.name_any()),
        pod: pod.name_any(),
        namespace: pod.namespace().unwrap_or_default(),
        uid: pod.uid().context("every pod has a UID")?,
        node: node.with_context(|| format!("pod {} is not scheduled to a node yet", pod.name_any()))?,
        class: pod.annotations().get(CLASS_ANNOTATION).cloned(),
        is_vm,
    })
}

/// Moves a VM to another class by an annotation of its pod, which its agent follows.
pub(super) async fn move_vm(client: &Client, pod: &FoundPod, class: &str) -> Result<()> {
    let FoundPod { pod: name, namespace, is_vm, .. } = pod;
    if !is_vm {
        bail!(
            "pod {name} does not run a VM with a pool: its class is that of its volume and cannot change while it runs"
        );
    }
    let patch = json!({ "metadata": { "annotations": { CLASS_ANNOTATION: class } } });
    Api::<Pod>::namespaced(client.clone(), namespace)
        .patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map_err(|error| ApiError::new(format!("annotate pod {name}"), error))?;
    Ok(())
}

fn api(client: &Client, namespace: Option<&str>) -> Api<Pod> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::default_namespaced(client.clone()),
    }
}

/// The launcher pod of a VM, where `KubeVirt` says that the VM runs.
async fn pod_of_vm(
    client: &Client,
    api: &Api<Pod>,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Pod>> {
    let launchers = ListParams::default().labels(&format!("{}={}", LAUNCHER.0, LAUNCHER.1));
    let launchers = api.list(&launchers).await.map_err(|error| ApiError::new("list pods", error))?;
    let of_vm = |pod: &Pod| pod.annotations().get(DOMAIN).is_some_and(|vm| vm == name);
    let mut running: Vec<Pod> =
        launchers.items.into_iter().filter(|pod| of_vm(pod) && is_running(pod)).collect();
    if running.len() > 1 {
        // During a migration, and for a while after it. A caller who may not read it still has the pods to choose from.
        if let Some((uid, node)) = instance(client, namespace, name).await {
            running.retain(|pod| {
                let on_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(&*node));
                on_node && pod.labels().get(CREATED_BY).is_none_or(|of| *of == uid)
            });
        }
    }
    match running.len() {
        0 | 1 => Ok(running.pop()),
        _ => bail!(
            "VM {name} has several pods, and it cannot be read which one it runs in; name one of them: {}",
            running.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// UID and node of a `VirtualMachineInstance`.
async fn instance(client: &Client, namespace: Option<&str>, name: &str) -> Option<(String, String)> {
    let resource = ApiResource {
        group: "kubevirt.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "kubevirt.io/v1".to_owned(),
        kind: "VirtualMachineInstance".to_owned(),
        plural: "virtualmachineinstances".to_owned(),
    };
    let api = match namespace {
        Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
        None => Api::default_namespaced_with(client.clone(), &resource),
    };
    let found = api.get_opt(name).await.ok()??;
    Some((found.uid()?, found.data["status"]["nodeName"].as_str()?.to_owned()))
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
}
