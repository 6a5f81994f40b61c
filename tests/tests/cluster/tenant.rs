//! A namespace with pods that draw.

use anyhow::Result;
use entropool_tests::cluster::Kubernetes;

use crate::uninstall::Drawer;

/// Somebody with a namespace.
pub(crate) struct Tenant<'a> {
    pub(crate) cluster: &'a Kubernetes,
    pub(crate) namespace: &'static str,
}

impl<'a> Tenant<'a> {
    /// One whose pods are held to a level of Pod Security.
    pub(crate) fn held_to(cluster: &'a Kubernetes, namespace: &'static str, level: &str) -> Result<Self> {
        cluster.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n  labels: \
             {{pod-security.kubernetes.io/enforce: {level}}}\n"
        ))?;
        cluster.until_said(&format!("-n {namespace} get serviceaccount"), "default")?;
        Ok(Self { cluster, namespace })
    }

    pub(crate) fn new(cluster: &'a Kubernetes, namespace: &'static str) -> Result<Self> {
        Self::held_to(cluster, namespace, "restricted")
    }

    /// Runs a pod that sleeps beside a socket of `pool` and `class`; it need not start.
    pub(crate) fn pod(&self, name: &str, pool: &str, class: &str) -> Result<()> {
        self.pod_with(name, &format!("entropool.io/pool: {pool}, entropool.io/class: {class}"), true, "{}")
    }

    pub(crate) fn pod_with(
        &self,
        name: &str,
        attributes: &str,
        read_only: bool,
        resources: &str,
    ) -> Result<()> {
        self.create(name, attributes, read_only, resources, "[]")
    }

    /// A pod that is not scheduled before it is [released](Self::release).
    pub(crate) fn held_pod(&self, name: &str, pool: &str, class: &str) -> Result<()> {
        let attributes = format!("entropool.io/pool: {pool}, entropool.io/class: {class}");
        self.create(name, &attributes, true, "{}", "[{name: example.org/held}]")
    }

    pub(crate) fn release(&self, name: &str) -> Result<()> {
        let patch = r#"[{"op":"remove","path":"/spec/schedulingGates"}]"#;
        self.cluster.said(&format!("-n {} patch pod {name} --type=json -p {patch}", self.namespace)).map(drop)
    }

    fn create(
        &self,
        name: &str,
        attributes: &str,
        read_only: bool,
        resources: &str,
        gates: &str,
    ) -> Result<()> {
        let namespace = self.namespace;
        self.cluster.apply(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  schedulingGates: {gates}
  terminationGracePeriodSeconds: 0
  nodeSelector: {{kubernetes.io/hostname: node1}}
  containers:
  - name: reader
    image: localhost/entropool/cli:1
    imagePullPolicy: Never
    command: [/busybox, sleep, infinity]
    resources: {resources}
    volumeMounts: [{{name: entropy, mountPath: /run/entropool, readOnly: true}}]
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: {{drop: [ALL]}}
      runAsNonRoot: true
      runAsUser: 1000
      runAsGroup: 107
      seccompProfile: {{type: RuntimeDefault}}
  volumes:
  - name: entropy
    csi: {{driver: csi.entropool.io, readOnly: {read_only}, volumeAttributes: {{{attributes}}}}}
"
        ))?;
        Ok(())
    }

    /// Lets the namespace ask for so many places of a class, by the quota `one`.
    pub(crate) fn quota(&self, class: &str, places: u32) -> Result<()> {
        let quota = format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: one, namespace: {}}}\nspec: {{hard: \
             {{requests.entropool.io/{class}: \"{places}\"}}}}\n",
            self.namespace
        );
        self.cluster.apply(&quota).map(drop)
    }

    pub(crate) fn ready(&self, name: &str) -> Result<()> {
        let Self { cluster, namespace } = self;
        cluster
            .said(&format!("-n {namespace} wait pod/{name} --for=condition=Ready --timeout=120s"))
            .map(drop)
            .map_err(|error| error.context(self.events(name)))
    }

    /// What Kubernetes has told of a pod.
    pub(crate) fn events(&self, name: &str) -> String {
        let words = format!("-n {} describe pod {name}", self.namespace);
        self.cluster.said(&words).unwrap_or_else(|error| format!("{error:#}"))
    }

    /// A pod, as its node knows it that serves it from that pool.
    pub(crate) fn drawer(&self, pod: &str, pool: &'static str) -> Result<Drawer> {
        Ok(Drawer { uid: self.uid(pod)?, namespace: self.namespace, pool })
    }

    fn uid(&self, name: &str) -> Result<String> {
        self.cluster.said(&format!("-n {} get pod {name} -o jsonpath={{.metadata.uid}}", self.namespace))
    }

    /// Bytes that a pod reads of its socket, one blocking read after the other, and how long that took inside.
    pub(crate) fn read(&self, name: &str, bytes: u32) -> Result<f64> {
        let line = format!(
            "read from _ </proc/uptime; /entropool egd read {bytes} /run/entropool/egd.sock | /busybox wc -c; \
             read to _ </proc/uptime; echo $from $to"
        );
        let said = self.cluster.exec(self.namespace, name, &["/busybox", "sh", "-c", &line])?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let [count, from, to] = words[..] else { anyhow::bail!("a pod said {said:?}") };
        anyhow::ensure!(count == bytes.to_string(), "{count} bytes were read of {bytes}");
        Ok(to.parse::<f64>()? - from.parse::<f64>()?)
    }

    pub(crate) fn delete(&self, names: &str) -> Result<()> {
        self.cluster.said(&format!("-n {} delete pod {names} --timeout=120s", self.namespace)).map(drop)
    }
}

/// A pool of that name with one class of the same name, both Ready on the node.
pub(crate) fn pool(cluster: &Kubernetes, name: &str, spec: &str, class: &str) -> Result<()> {
    cluster.apply(&format!(
        "
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {{name: {name}}}
spec: {{{spec}}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: {name}}}
spec: {{pool: {name}, {class}}}
"
    ))?;
    cluster.said(&format!("wait --for=condition=Ready --timeout=120s epool/{name} eclass/{name}")).map(drop)
}
