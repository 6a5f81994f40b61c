//! The objects by which the API server calls the hooks, and `KubeVirt` the plugin.

use serde_json::{Value, json};

use crate::hook::Hook;

/// What `entropool.io` objects of ours are called that there is one of in a cluster.
const NAME: &str = "entropool";
/// A VM that waits for us waits no longer than this, in seconds.
const TIMEOUT: u8 = 5;

/// Where the hooks are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The controller's namespace.
    pub namespace: String,
    /// The service in front of it.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// Who signed its certificate, as base64 of PEM.
    pub ca_bundle: String,
}

/// The webhooks that change objects.
pub fn mutating(service: &Service) -> Value {
    let pods = webhook(
        service,
        Hook::Pod,
        "pods.entropool.io",
        &json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}),
        &[
            ("names-a-pool", "'entropool.io/pool' in object.metadata.?annotations.orValue({})"),
            (
                "runs-a-vm",
                "object.metadata.?annotations.orValue({})[?'kubevirt.io/ephemeral-provisioning'].orValue('') != 'true'",
            ),
        ],
    );
    let mut pods = pods;
    pods["objectSelector"] = json!({"matchLabels": {"kubevirt.io": "virt-launcher"}});
    let instances = webhook(
        service,
        Hook::Instance,
        "virtualmachineinstances.entropool.io",
        &kubevirt(&["CREATE"], &["virtualmachineinstances"]),
        &[("names-a-pool", "'entropool.io/pool' in object.metadata.?annotations.orValue({})")],
    );
    let mut hooks = json!([pods, instances]);
    for hook in hooks.as_array_mut().into_iter().flatten() {
        // Another webhook may add what this one looks at.
        hook["reinvocationPolicy"] = json!("IfNeeded");
    }
    configuration("MutatingWebhookConfiguration", &hooks)
}

/// The webhook that only says no.
pub fn validating(service: &Service) -> Value {
    let names_a_pool = "'entropool.io/pool' in object.metadata.?annotations.orValue({}) || \
                        'entropool.io/pool' in object.?spec.?template.?metadata.?annotations.orValue({})";
    let hook = webhook(
        service,
        Hook::Validate,
        "virtualmachines.entropool.io",
        &kubevirt(&["CREATE", "UPDATE"], &["virtualmachines", "virtualmachineinstances"]),
        &[("names-a-pool", names_a_pool)],
    );
    configuration("ValidatingWebhookConfiguration", &json!([hook]))
}

fn configuration(kind: &str, webhooks: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": NAME},
        "webhooks": webhooks,
    })
}

fn kubevirt(operations: &[&str], resources: &[&str]) -> Value {
    json!({"apiGroups": ["kubevirt.io"], "apiVersions": ["v1"], "operations": operations, "resources": resources, "scope": "Namespaced"})
}

/// `Fail` with a condition on the annotation: what names no pool never waits for us, and what names one never goes
/// without.
fn webhook(service: &Service, hook: Hook, name: &str, rule: &Value, conditions: &[(&str, &str)]) -> Value {
    let conditions: Vec<Value> =
        conditions.iter().map(|(name, expression)| json!({"name": name, "expression": expression})).collect();
    json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "caBundle": service.ca_bundle,
            "service": {
                "namespace": service.namespace,
                "name": service.name,
                "port": service.port,
                "path": hook.path(),
            },
        },
        "failurePolicy": "Fail",
        "matchConditions": conditions,
        "matchPolicy": "Equivalent",
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT,
    })
}

/// `KubeVirt` 1.9 and newer changes the domain itself, by this object.
///
/// The condition is the hook's: the plugin's own is read in one dialect when it is admitted and, by some versions, in
/// another when a VM starts, and then fails every VM. Lists are replaced whole, so what is there of the device is
/// copied: the model, and the driver with a confidential guest's `iommu`.
pub fn plugin() -> Value {
    json!({
        "apiVersion": "plugin.kubevirt.io/v1alpha1",
        "kind": "Plugin",
        "metadata": {"name": NAME},
        "spec": {
            "failureStrategy": "Fail",
            "domainHooks": [{
                "condition": "'entropool.io/pool' in vmi.Annotations",
                "failureStrategy": "Fail",
                "cel": {"expression": DOMAIN},
            }],
        },
    })
}

/// Go's names, since that is what the expression is read with. Without a `Rate`: with a pool it makes QEMU ask twice.
const DOMAIN: &str = "\
Domain{
  Devices: DomainDeviceList{
    RNGs: [DomainRNG{
      Model: size(domainSpec.Devices.RNGs) > 0 ? domainSpec.Devices.RNGs[0].Model : 'virtio',
      Driver: size(domainSpec.Devices.RNGs) > 0 && has(domainSpec.Devices.RNGs[0].Driver)
        ? domainSpec.Devices.RNGs[0].Driver : null,
      Backend: DomainRNGBackend{
        EGD: DomainRNGBackendEGD{
          Source: DomainChardevSource{
            UNIX: DomainChardevSourceUNIX{
              Mode: 'connect',
              Path: '/run/entropool/egd.sock',
              Reconnect: DomainChardevSourceReconnect{Enabled: 'yes', Timeout: uint(1)}
            }
          }
        }
      }
    }]
  }
}";
