//! The watched objects of `KubeVirt`, and the injection method that follows from them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use webhook::InjectionMethod;

use crate::reflector::{KubeVirt, Plugin, ReflectorEvent, WatchedObject};

/// The objects of both kinds; `None` until they have been listed. A cluster may have neither.
#[derive(Debug, Default)]
pub(crate) struct KubeVirtState {
    kubevirts: Option<BTreeMap<String, KubeVirt>>,
    plugins: Option<BTreeMap<String, Plugin>>,
}

impl KubeVirtState {
    pub(crate) fn apply_kubevirt(&mut self, event: ReflectorEvent<KubeVirt>) {
        apply(&mut self.kubevirts, event);
    }

    pub(crate) fn apply_plugin(&mut self, event: ReflectorEvent<Plugin>) {
        apply(&mut self.plugins, event);
    }

    /// The method for the installed `KubeVirt`; `None` until both kinds have been listed.
    pub(crate) fn desired(&self, image: Option<&str>) -> Option<InjectionMethod> {
        let (kubevirts, _) = self.kubevirts.as_ref().zip(self.plugins.as_ref())?;
        let first = kubevirts.values().next();
        let object = first.map(|found| json!({"spec": found.spec, "status": found.status}));
        Some(InjectionMethod::of(object.as_ref(), image))
    }

    /// The method that VMs can use now: until our Plugin exists, a pod's socket would not be used.
    pub(crate) fn available(&self, image: Option<&str>) -> Option<InjectionMethod> {
        let desired = self.desired(image)?;
        if desired == InjectionMethod::Plugin && self.plugin().is_none() {
            return Some(InjectionMethod::None(
                "there is no Plugin object entropool yet; the controller creates it".to_owned(),
            ));
        }
        Some(desired)
    }

    /// Whether our Plugin has the desired spec.
    pub(crate) fn has_plugin(&self, desired: &Value) -> bool {
        self.plugin().is_some_and(|plugin| contains(&plugin.spec, &desired["spec"]))
    }

    fn plugin(&self) -> Option<&Plugin> {
        self.plugins.as_ref()?.get(webhook::NAME)
    }
}

/// Whether everything in `desired` is in `found`, which may also have defaults of the API server.
fn contains(found: &Value, desired: &Value) -> bool {
    match (found, desired) {
        (Value::Object(found), Value::Object(desired)) => {
            desired.iter().all(|(key, value)| found.get(key).is_some_and(|it| contains(it, value)))
        }
        (Value::Array(found), Value::Array(desired)) => {
            found.len() == desired.len()
                && found.iter().zip(desired).all(|(found, desired)| contains(found, desired))
        }
        _ => found == desired,
    }
}

fn apply<K: WatchedObject>(known: &mut Option<BTreeMap<String, K>>, event: ReflectorEvent<K>) {
    let named = |object: K| (object.named().to_owned(), object);
    match (event, known.as_mut()) {
        (ReflectorEvent::Listed(objects, _), _) => *known = Some(objects.into_iter().map(named).collect()),
        (ReflectorEvent::Applied(object), Some(known)) => known.extend([named(object)]),
        (ReflectorEvent::Deleted(object), Some(known)) => drop(known.remove(object.named())),
        // Without a connection, the last known objects stay.
        (ReflectorEvent::Applied(_) | ReflectorEvent::Deleted(_), None)
        | (ReflectorEvent::Reached(_) | ReflectorEvent::Lost, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;

    use super::*;

    fn kubevirt(version: &str, gate: &str) -> KubeVirt {
        KubeVirt {
            metadata: ObjectMeta { name: Some("kubevirt".to_owned()), ..ObjectMeta::default() },
            spec: json!({"configuration": {"developerConfiguration": {"featureGates": [gate]}}}),
            status: json!({"observedKubeVirtVersion": version}),
        }
    }

    fn plugin() -> Plugin {
        let mut spec = webhook::plugin()["spec"].clone();
        spec["domainHooks"][0]["timeout"] = json!("30s");
        Plugin { metadata: ObjectMeta { name: Some("entropool".to_owned()), ..ObjectMeta::default() }, spec }
    }

    #[test]
    fn there_is_no_method_until_both_kinds_are_listed() {
        let mut state = KubeVirtState::default();
        state.apply_kubevirt(ReflectorEvent::Listed(Vec::new(), 0));
        assert_eq!(state.available(None), None);
        state.apply_plugin(ReflectorEvent::Listed(Vec::new(), 0));
        assert_eq!(
            state.available(None),
            Some(InjectionMethod::None("there is no KubeVirt object".to_owned()))
        );
    }

    #[test]
    fn the_plugin_is_available_only_while_it_exists() {
        let mut state = KubeVirtState::default();
        state.apply_kubevirt(ReflectorEvent::Listed(vec![kubevirt("v1.9.0", "Plugins")], 1));
        state.apply_plugin(ReflectorEvent::Listed(Vec::new(), 1));
        assert_eq!(state.desired(None), Some(InjectionMethod::Plugin));
        assert!(matches!(state.available(None), Some(InjectionMethod::None(_))));
        state.apply_plugin(ReflectorEvent::Applied(plugin()));
        assert_eq!(state.available(None), Some(InjectionMethod::Plugin));
        state.apply_plugin(ReflectorEvent::Lost);
        assert_eq!(state.available(None), Some(InjectionMethod::Plugin));
        state.apply_plugin(ReflectorEvent::Deleted(plugin()));
        assert!(matches!(state.available(None), Some(InjectionMethod::None(_))));
    }

    #[test]
    fn a_plugin_with_defaults_is_equal_and_an_edited_one_is_not() {
        let mut state = KubeVirtState::default();
        state.apply_plugin(ReflectorEvent::Listed(vec![plugin()], 1));
        assert!(state.has_plugin(&webhook::plugin()));
        let mut edited = plugin();
        edited.spec["failureStrategy"] = json!("Ignore");
        state.apply_plugin(ReflectorEvent::Applied(edited));
        assert!(!state.has_plugin(&webhook::plugin()));
    }

    #[test]
    fn a_newer_kubevirt_changes_the_method() {
        let mut state = KubeVirtState::default();
        state.apply_plugin(ReflectorEvent::Listed(Vec::new(), 0));
        state.apply_kubevirt(ReflectorEvent::Listed(vec![kubevirt("v1.8.4", "Sidecar")], 1));
        let image = Some("agent:1");
        assert_eq!(
            state.available(image),
            Some(InjectionMethod::Sidecar { image: "agent:1".to_owned(), resources: Value::Null })
        );
        state.apply_kubevirt(ReflectorEvent::Applied(kubevirt("v1.9.0", "Plugins")));
        assert_eq!(state.desired(image), Some(InjectionMethod::Plugin));
    }
}
