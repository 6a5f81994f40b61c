//! A VM whose pool is its instancetype's or its preference's to name.

use entropool_tests::cluster::Kubernetes;

use crate::tenant::{Tenant, pool};
use crate::vm::Vm;

const KINDS: &str = r"
apiVersion: instancetype.kubevirt.io/v1beta1
kind: VirtualMachineInstancetype
metadata: {name: small, namespace: shop}
spec: {cpu: {guest: 1}, memory: {guest: 160Mi}, annotations: {entropool.io/pool: catalogue, entropool.io/class: catalogue}}
---
apiVersion: instancetype.kubevirt.io/v1beta1
kind: VirtualMachinePreference
metadata: {name: drawing, namespace: shop}
spec: {annotations: {entropool.io/pool: catalogue, entropool.io/class: preferred}}
---
apiVersion: instancetype.kubevirt.io/v1beta1
kind: VirtualMachineInstancetype
metadata: {name: bare, namespace: shop}
spec: {cpu: {guest: 1}, memory: {guest: 160Mi}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: preferred}
spec: {pool: catalogue}
";

#[test]
fn a_vm_draws_from_the_pool_that_its_instancetype_names_or_else_its_preference() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.kubevirt().unwrap();
    pool(&cluster, "catalogue", "defaultClass: catalogue", "weight: 1").unwrap();
    Tenant::held_to(&cluster, "shop", "baseline").unwrap();
    cluster.apply(KINDS).unwrap();
    cluster.said("wait --for=condition=Ready --timeout=60s eclass/preferred").unwrap();
    let kinds = |instancetype: &str| {
        format!(
            "instancetype: {{kind: VirtualMachineInstancetype, name: {instancetype}}}\n  preference: \
             {{kind: VirtualMachinePreference, name: drawing}}"
        )
    };
    let bound = |class: &str| format!(r#"{{"class":"{class}","injection":"sidecar","pool":"catalogue"}}"#);

    let typed = Vm::of_a_kind(&cluster, "shop", "typed", &kinds("small")).unwrap();
    let preferring = Vm::of_a_kind(&cluster, "shop", "preferring", &kinds("bare")).unwrap();
    typed.up().unwrap();
    assert_eq!(typed.bound().unwrap(), bound("catalogue"), "an instancetype goes before a preference");
    assert!(typed.rng().unwrap().contains("path='/run/entropool/egd.sock'"));
    assert_eq!(preferring.bound().unwrap(), bound("preferred"));
    typed.delete().unwrap();
    preferring.delete().unwrap();
}
