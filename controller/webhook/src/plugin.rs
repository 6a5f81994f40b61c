//! The `Plugin` object, by which `KubeVirt` 1.9 and newer changes a domain itself.

use serde_json::{Value, json};

/// The name of our `Plugin` and of our webhook configurations.
pub const NAME: &str = "entropool";

/// The condition is the hook's and not the plugin's: some versions of `KubeVirt` parse the plugin's in one dialect
/// when it is admitted and in another when a VM starts, and then fail every VM. Lists are replaced as a whole, so the
/// existing parts of the device are copied: the model, and the driver with a confidential guest's `iommu`.
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

/// The fields have Go's names, which `KubeVirt` evaluates the expression with. There is no `Rate`: with a pool it would
/// make QEMU request bytes twice.
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
