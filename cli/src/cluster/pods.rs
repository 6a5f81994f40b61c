//! The pods of VMs. People name a VM; an agent knows it by the UID of its pod.

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::{Context, Result, anyhow, bail};
use api::names::{CLASS_ANNOTATION, VM_LABEL, VM_TRUE};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::api_error::ApiError;
use super::objects::metadata;

/// The label of `KubeVirt`'s launcher pods.
const LAUNCHER: (&str, &str) = ("kubevirt.io", "virt-launcher");
/// The label with the VM's name on `KubeVirt`'s launcher pod.
const VM_NAME: &str = "vm.kubevirt.io/name";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundPod {
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) node: String,
}

/// The names of all pods by their UIDs. A caller that may not list pods sees UIDs.
pub(super) async fn names(client: &Client) -> BTreeMap<String, String> {
    let pods = metadata::<Pod>(client).await.unwrap_or_default();
    pods.into_iter().filter_map(|pod| Some((pod.uid()?, pod.name_any()))).collect()
}

/// Finds the pod of a VM, or the pod of that name.
pub(super) async fn find(client: &Client, namespace: Option<&str>, name: &str) -> Result<FoundPod> {
    let pod = pod(&api(client, namespace), name).await?;
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    Ok(FoundPod {
        uid: pod.uid().context("every pod has a UID")?,
        node: node.with_context(|| format!("pod {} is not scheduled to a node yet", pod.name_any()))?,
        pod: pod.name_any(),
    })
}

/// Moves a VM to another class by an annotation of its pod, which its agent follows.
pub(super) async fn move_vm(client: &Client, namespace: Option<&str>, name: &str, class: &str) -> Result<()> {
    let api = api(client, namespace);
    let pod = pod(&api, name).await?;
    // Any pod with a volume has the first label; only a VM's has both.
    let is_vm = [(VM_LABEL, VM_TRUE), LAUNCHER]
        .iter()
        .all(|(label, value)| pod.labels().get(*label).is_some_and(|found| found == value));
    let pod = pod.name_any();
    if !is_vm {
        bail!(
            "pod {pod} does not run a VM with a pool: its class is that of its volume and cannot change while it runs"
        );
    }
    let patch = json!({ "metadata": { "annotations": { CLASS_ANNOTATION: class } } });
    api.patch_metadata(&pod, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map_err(|error| ApiError::new(format!("annotate pod {pod}"), error))?;
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
    let launchers = api.list(&launchers).await.map_err(|error| ApiError::new("list pods", error))?;
    let mut running = launchers.items.into_iter().filter(is_running).collect::<Vec<_>>();
    match running.len() {
        0 => {}
        1 => return Ok(running.remove(0)),
        // During a migration.
        _ => bail!(
            "VM {name} is being migrated and has several pods; name one of them: {}",
            running.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", ")
        ),
    }
    let pod = api.get_opt(name).await.map_err(|error| ApiError::new(format!("get pod {name}"), error))?;
    pod.ok_or_else(|| {
        anyhow!("there is no running VM and no pod {name} in this namespace; name another namespace with -n")
    })
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
}
