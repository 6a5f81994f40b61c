//! VMs are known to people by their names, and to agents by the UIDs of their pods.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::{Context, Result, anyhow, bail};
use api::names::{CLASS_ANNOTATION, VM_LABEL, VM_TRUE};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::objects::metadata;

/// `KubeVirt`'s label of a launcher pod: the VM's name.
const VM_NAME: &str = "vm.kubevirt.io/name";

/// A pod that may draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundPod {
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) node: String,
}

/// The names of all pods by their UIDs. Who may not list pods sees UIDs.
pub(super) async fn names(client: &Client) -> BTreeMap<String, String> {
    let pods = metadata::<Pod>(client).await.unwrap_or_default();
    pods.into_iter().filter_map(|pod| Some((pod.uid()?, pod.name_any()))).collect()
}

/// The pod of a VM, or the pod itself.
pub(super) async fn find(client: &Client, namespace: Option<&str>, name: &str) -> Result<FoundPod> {
    let pod = pod(&api(client, namespace), name).await?;
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    Ok(FoundPod {
        uid: pod.uid().context("every pod has a UID")?,
        node: node.with_context(|| format!("pod {} is on no node yet", pod.name_any()))?,
        pod: pod.name_any(),
    })
}

/// Has a VM moved to another class: what its pod says is what its agent does.
pub(super) async fn move_to(client: &Client, namespace: Option<&str>, name: &str, class: &str) -> Result<()> {
    let api = api(client, namespace);
    let pod = pod(&api, name).await?;
    let is_vm = pod.labels().get(VM_LABEL).is_some_and(|value| value == VM_TRUE);
    let pod = pod.name_any();
    if !is_vm {
        bail!(
            "pod {pod} runs no VM that named a pool: its class is its volume's, and stays for as long as it runs"
        );
    }
    let patch = json!({ "metadata": { "annotations": { CLASS_ANNOTATION: class } } });
    api.patch_metadata(&pod, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("pod {pod} cannot be annotated"))?;
    Ok(())
}

fn api(client: &Client, namespace: Option<&str>) -> Api<Pod> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::default_namespaced(client.clone()),
    }
}

async fn pod(api: &Api<Pod>, name: &str) -> Result<Pod> {
    let launchers = ListParams::default().labels(&format!("{VM_NAME}={name}"));
    let launchers = api.list(&launchers).await.context("cannot list pods")?.items;
    let mut running = launchers.into_iter().filter(runs).collect::<Vec<_>>();
    match running.len() {
        0 => {}
        1 => return Ok(running.remove(0)),
        // For a moment of its migration.
        _ => bail!(
            "VM {name} is on its way from one node to another; name one of its pods: {}",
            running.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", ")
        ),
    }
    let pod = api.get_opt(name).await.with_context(|| format!("cannot get pod {name}"))?;
    pod.ok_or_else(|| {
        anyhow!("there is no running VM and no pod {name} in this namespace; another is named with -n")
    })
}

fn runs(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
}
