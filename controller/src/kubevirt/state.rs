//! What was seen of `KubeVirt`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use webhook::InjectionMethod;

use crate::reflector::{KubeVirt, Object, Plugin, ReflectorEvent};

/// Both of its kinds; a cluster may have neither.
#[derive(Debug, Default)]
pub(crate) struct KubeVirtState {
    kubevirts: Option<BTreeMap<String, KubeVirt>>,
    plugins: Option<BTreeMap<String, Plugin>>,
}

impl KubeVirtState {
    /// News of what is installed.
    pub(crate) fn kubevirts(&mut self, seen: ReflectorEvent<KubeVirt>) {
        take(&mut self.kubevirts, seen);
    }

    /// News of plugins.
    pub(crate) fn plugins(&mut self, seen: ReflectorEvent<Plugin>) {
        take(&mut self.plugins, seen);
    }

    /// The way that `KubeVirt` goes; nothing before it was looked for.
    pub(crate) fn wanted(&self, image: Option<&str>) -> Option<InjectionMethod> {
        let (kubevirts, _) = self.kubevirts.as_ref().zip(self.plugins.as_ref())?;
        let first = kubevirts.values().next();
        let object = first.map(|found| json!({"spec": found.spec, "status": found.status}));
        Some(InjectionMethod::of(object.as_ref(), image))
    }

    /// The way that a VM can go now: a pod with the socket and no plugin would be a promise that nobody keeps.
    pub(crate) fn way(&self, image: Option<&str>) -> Option<InjectionMethod> {
        let wanted = self.wanted(image)?;
        if wanted == InjectionMethod::Plugin && self.plugin().is_none() {
            return Some(InjectionMethod::None(
                "KubeVirt has no Plugin object named entropool yet; the controller makes it".to_owned(),
            ));
        }
        Some(wanted)
    }

    /// Whether our plugin is as it should be.
    pub(crate) fn has_plugin(&self, wanted: &Value) -> bool {
        self.plugin().is_some_and(|plugin| contains(&plugin.spec, &wanted["spec"]))
    }

    fn plugin(&self) -> Option<&Plugin> {
        self.plugins.as_ref()?.get(webhook::NAME)
    }
}

/// Whether everything in `wanted` is in `found`, which may have more: what an API server fills in.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|it| contains(it, value)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        _ => found == wanted,
    }
}

fn take<K: Object>(known: &mut Option<BTreeMap<String, K>>, seen: ReflectorEvent<K>) {
    let named = |object: K| (object.named().to_owned(), object);
    match (seen, known.as_mut()) {
        (ReflectorEvent::Listed(objects, _), _) => *known = Some(objects.into_iter().map(named).collect()),
        (ReflectorEvent::Applied(object), Some(known)) => known.extend([named(object)]),
        (ReflectorEvent::Deleted(object), Some(known)) => drop(known.remove(object.named())),
        // What was seen last goes on to be true while nobody says otherwise.
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
    fn nothing_is_said_before_both_kinds_were_looked_for() {
        let mut known = KubeVirtState::default();
        known.kubevirts(ReflectorEvent::Listed(Vec::new(), 0));
        assert_eq!(known.way(None), None);
        known.plugins(ReflectorEvent::Listed(Vec::new(), 0));
        assert_eq!(known.way(None), Some(InjectionMethod::None("there is no KubeVirt object".to_owned())));
    }

    #[test]
    fn a_vm_goes_by_the_plugin_only_while_that_is_there() {
        let mut known = KubeVirtState::default();
        known.kubevirts(ReflectorEvent::Listed(vec![kubevirt("v1.9.0", "Plugins")], 1));
        known.plugins(ReflectorEvent::Listed(Vec::new(), 1));
        assert_eq!(known.wanted(None), Some(InjectionMethod::Plugin));
        assert!(matches!(known.way(None), Some(InjectionMethod::None(_))));
        known.plugins(ReflectorEvent::Applied(plugin()));
        assert_eq!(known.way(None), Some(InjectionMethod::Plugin));
        known.plugins(ReflectorEvent::Lost);
        assert_eq!(known.way(None), Some(InjectionMethod::Plugin));
        known.plugins(ReflectorEvent::Deleted(plugin()));
        assert!(matches!(known.way(None), Some(InjectionMethod::None(_))));
    }

    #[test]
    fn a_plugin_with_defaults_filled_in_is_as_it_should_be_and_an_edited_one_is_not() {
        let mut known = KubeVirtState::default();
        known.plugins(ReflectorEvent::Listed(vec![plugin()], 1));
        assert!(known.has_plugin(&webhook::plugin()));
        let mut edited = plugin();
        edited.spec["failureStrategy"] = json!("Ignore");
        known.plugins(ReflectorEvent::Applied(edited));
        assert!(!known.has_plugin(&webhook::plugin()));
    }

    #[test]
    fn a_newer_kubevirt_changes_the_way() {
        let mut known = KubeVirtState::default();
        known.plugins(ReflectorEvent::Listed(Vec::new(), 0));
        known.kubevirts(ReflectorEvent::Listed(vec![kubevirt("v1.8.4", "Sidecar")], 1));
        let image = Some("agent:1");
        assert_eq!(known.way(image), Some(InjectionMethod::Sidecar { image: "agent:1".to_owned() }));
        known.kubevirts(ReflectorEvent::Applied(kubevirt("v1.9.0", "Plugins")));
        assert_eq!(known.wanted(image), Some(InjectionMethod::Plugin));
    }
}
