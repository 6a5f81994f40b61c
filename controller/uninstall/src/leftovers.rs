//! Objects that the controller makes, and which no chart knows of.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::error::{UninstallError, api_call, is_not_found};

/// The Secret and the ConfigMap of the controller's authority.
const AUTHORITY: &str = "entropool-ca";
const LEASE: &str = "entropool-controller";
const PLUGIN: &str = "entropool";
/// The annotation of Helm's hooks.
const HOOK: &str = "helm.sh/hook";

/// Deletes them, and returns which there were.
pub(crate) async fn delete(client: &Client, namespace: &str) -> Result<Vec<String>, UninstallError> {
    let plugins = ApiResource {
        group: "plugin.kubevirt.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "plugin.kubevirt.io/v1alpha1".to_owned(),
        kind: "Plugin".to_owned(),
        plural: "plugins".to_owned(),
    };
    let deleted = [
        delete_one(&Api::<Secret>::namespaced(client.clone(), namespace), "Secret", AUTHORITY).await?,
        delete_one(&Api::<ConfigMap>::namespaced(client.clone(), namespace), "ConfigMap", AUTHORITY).await?,
        delete_one(&Api::<Lease>::namespaced(client.clone(), namespace), "Lease", LEASE).await?,
        delete_one(&Api::<DynamicObject>::all_with(client.clone(), &plugins), "Plugin", PLUGIN).await?,
    ];
    Ok(deleted.into_iter().flatten().collect())
}

/// Deletes the objects of Helm's hooks that failed, which belong to no release, and returns which there were.
pub(crate) async fn delete_hooks(client: &Client, namespace: &str) -> Result<Vec<String>, UninstallError> {
    let within = || client.clone();
    let deleted = [
        delete_hooks_of("Job", &Api::<Job>::namespaced(within(), namespace)).await?,
        delete_hooks_of("Pod", &Api::<Pod>::namespaced(within(), namespace)).await?,
        delete_hooks_of("ServiceAccount", &Api::<ServiceAccount>::namespaced(within(), namespace)).await?,
        delete_hooks_of("RoleBinding", &Api::<RoleBinding>::namespaced(within(), namespace)).await?,
        delete_hooks_of("Role", &Api::<Role>::namespaced(within(), namespace)).await?,
        delete_hooks_of("ClusterRoleBinding", &Api::<ClusterRoleBinding>::all(within())).await?,
        delete_hooks_of("ClusterRole", &Api::<ClusterRole>::all(within())).await?,
    ];
    Ok(deleted.concat())
}

async fn delete_hooks_of<K>(kind: &str, api: &Api<K>) -> Result<Vec<String>, UninstallError>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let ours = ListParams::default().labels("app.kubernetes.io/name=entropool");
    let found = api.list_metadata(&ours).await.map_err(api_call(format!("list objects of kind {kind}")))?;
    let mut deleted = Vec::new();
    for object in found.items.iter().filter(|object| object.annotations().contains_key(HOOK)) {
        let name = object.name_any();
        match api.delete(&name, &DeleteParams::background()).await {
            Ok(_) => deleted.push(format!("{kind} {name}")),
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(api_call(format!("delete {kind} {name}"))(error)),
        }
    }
    Ok(deleted)
}

async fn delete_one<K>(api: &Api<K>, kind: &str, name: &str) -> Result<Option<String>, UninstallError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(Some(format!("{kind} {name}"))),
        // The object, or its kind.
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(api_call(format!("delete {kind} {name}"))(error)),
    }
}
