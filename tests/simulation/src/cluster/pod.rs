//! Tenants' pods.

use api::names::{CLASS_ANNOTATION, CSI_DRIVER, POOL_ANNOTATION, class_resource};
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) value: Value,
    /// Where the scheduler has put it.
    pub(crate) node: Option<String>,
    /// It is to end.
    pub(crate) deleted: bool,
    /// The class whose slots were counted when it was created, as the controller saw it then.
    pub(crate) counted: Option<String>,
}

impl Pod {
    pub(crate) fn uid(&self) -> &str {
        self.value["metadata"]["uid"].as_str().unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        self.value["metadata"]["namespace"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_launcher(&self) -> bool {
        self.value["metadata"]["labels"]["kubevirt.io"] == "virt-launcher"
    }

    /// The class that its annotation names.
    pub(crate) fn annotated_class(&self) -> Option<&str> {
        self.value["metadata"]["annotations"][CLASS_ANNOTATION].as_str()
    }

    /// Pool and class of its volume.
    pub(crate) fn volume(&self) -> Option<(&str, Option<&str>)> {
        let volumes = self.value["spec"]["volumes"].as_array()?;
        let volume = volumes.iter().find(|volume| volume["csi"]["driver"] == CSI_DRIVER)?;
        let attributes = &volume["csi"]["volumeAttributes"];
        Some((attributes[POOL_ANNOTATION].as_str()?, attributes[CLASS_ANNOTATION].as_str()))
    }

    /// How many slots of a class it asks for.
    pub(crate) fn requests(&self, class: &str) -> u64 {
        let containers = self.value["spec"]["containers"].as_array().into_iter().flatten();
        let resource = class_resource(class);
        containers.map(|container| count(&container["resources"]["requests"][&resource])).sum()
    }
}

fn count(quantity: &Value) -> u64 {
    quantity.as_u64().or_else(|| quantity.as_str()?.parse().ok()).unwrap_or_default()
}
