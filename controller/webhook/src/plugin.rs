//! The object by which `KubeVirt` 1.9 and newer changes a domain itself.

use serde_json::{Value, json};

/// What `entropool.io` objects of ours are called that there is one of in a cluster.
pub const NAME: &str = "entropool";

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
