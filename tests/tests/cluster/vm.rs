//! A `KubeVirt` VM that reads `/dev/hwrng`.

use std::time::Duration;

use anyhow::{Context, Result};
use entropool_tests::cluster::Kubernetes;
use entropool_tests::console::{Count, Report};

use crate::uninstall::Drawer;

/// One that was created, in a namespace that is there.
pub(crate) struct Vm<'a> {
    cluster: &'a Kubernetes,
    namespace: &'static str,
    name: String,
    /// What its author was told who made it.
    pub(crate) told: String,
}

/// Read without end, and say how much ten times a second.
pub(crate) const FLOOD: &str = "entropool.flood entropool.every=0.1";
/// Never ask for anything.
pub(crate) const IDLE: &str = "entropool.idle";

impl<'a> Vm<'a> {
    /// Creates a VM on `node1` whose template has these annotations; an error is what the API server said.
    pub(crate) fn create(
        cluster: &'a Kubernetes,
        namespace: &'static str,
        name: &str,
        annotations: &str,
        errand: &str,
    ) -> Result<Self> {
        Self::create_on("kubernetes.io/hostname: node1", cluster, namespace, name, annotations, errand)
    }

    /// The same on any node that has these labels.
    pub(crate) fn create_on(
        nodes: &str,
        cluster: &'a Kubernetes,
        namespace: &'static str,
        name: &str,
        annotations: &str,
        errand: &str,
    ) -> Result<Self> {
        let told = cluster.apply(&format!(
            "
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  runStrategy: Always
  template:
    metadata:
      annotations: {{{annotations}}}
    spec:
      nodeSelector: {{{nodes}}}
      terminationGracePeriodSeconds: 0
      evictionStrategy: LiveMigrateIfPossible
{}",
            domain("resources: {requests: {memory: 160Mi, cpu: 20m}, limits: {cpu: '1'}}", errand)
        ))?;
        Ok(Self { cluster, namespace, name: name.to_owned(), told })
    }

    /// One of an instancetype and a preference, by their names, which annotate it.
    pub(crate) fn of_a_kind(
        cluster: &'a Kubernetes,
        namespace: &'static str,
        name: &str,
        kind: &str,
    ) -> Result<Self> {
        let told = cluster.apply(&format!(
            "
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  runStrategy: Always
  {kind}
  template:
    spec:
      nodeSelector: {{kubernetes.io/hostname: node1}}
      terminationGracePeriodSeconds: 0
{}",
            domain("", IDLE)
        ))?;
        Ok(Self { cluster, namespace, name: name.to_owned(), told })
    }

    /// Waits until the guest has booted.
    pub(crate) fn up(&self) -> Result<()> {
        let what = format!("a guest that is up in {}", self.name);
        let up = |report| matches!(report, Report::Up { .. }).then_some(());
        self.cluster
            .until(&what, |_| Ok(self.reports(&self.pod()?)?.into_iter().find_map(up)))
            .map_err(|error| error.context(self.story()))
    }

    /// The name of its launcher pod: of the newest, if it has moved.
    pub(crate) fn pod(&self) -> Result<String> {
        let Self { cluster, namespace, name, .. } = self;
        let newest = "--sort-by=.metadata.creationTimestamp -o jsonpath={.items[-1:].metadata.name}";
        cluster.said(&format!("-n {namespace} get pod -l vm.kubevirt.io/name={name} {newest}"))
    }

    /// The node that it runs on.
    pub(crate) fn node(&self) -> Result<String> {
        let Self { cluster, namespace, name, .. } = self;
        cluster.said(&format!("-n {namespace} get vmi {name} -o jsonpath={{.status.nodeName}}"))
    }

    /// Begins to move it to another node while it runs.
    pub(crate) fn depart(&self, migration: &str) -> Result<()> {
        let Self { cluster, namespace, name, .. } = self;
        let migration = format!(
            "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstanceMigration\n\
             metadata: {{name: {migration}, namespace: {namespace}}}\nspec: {{vmiName: {name}}}\n"
        );
        cluster.apply(&migration).map(drop)
    }

    /// How far that is.
    pub(crate) fn phase(&self, migration: &str) -> Result<String> {
        self.cluster
            .said(&format!("-n {} get vmim {migration} -o jsonpath={{.status.phase}}", self.namespace))
    }

    /// Waits until it has moved, with something to do meanwhile.
    pub(crate) fn arrive(&self, migration: &str, mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
        let what = format!("the end of migration {migration}");
        let arrived = self.cluster.until(&what, |_| match &*self.phase(migration)? {
            "Succeeded" => Ok(Some(true)),
            "Failed" => Ok(Some(false)),
            _ => meanwhile().map(|()| None),
        });
        let arrived = arrived.map_err(|error| error.context(self.story()))?;
        anyhow::ensure!(arrived, "migration {migration} failed: {}", self.story());
        Ok(())
    }

    /// What the guest counted in the pod that it was in, from `since` on, and, for some time, in the one that it is in.
    pub(crate) fn counts_across(&self, source: &str, since: usize, after: Duration) -> Result<Vec<Count>> {
        self.counts_for(after)?;
        let mut counts = self.counts_in(source)?.split_off(since);
        counts.extend(self.counts()?);
        Ok(counts)
    }

    /// What the guest has said on its serial line.
    fn reports(&self, pod: &str) -> Result<Vec<Report>> {
        let said = self.cluster.said(&format!("-n {} logs {pod} -c guest-console-log", self.namespace))?;
        Ok(said.lines().filter_map(Report::parse).collect())
    }

    /// What it has counted where it runs.
    pub(crate) fn counts(&self) -> Result<Vec<Count>> {
        self.counts_in(&self.pod()?)
    }

    /// What it counted in that pod.
    pub(crate) fn counts_in(&self, pod: &str) -> Result<Vec<Count>> {
        let count = |report| if let Report::Count(count) = report { Some(count) } else { None };
        Ok(self.reports(pod)?.into_iter().filter_map(count).collect())
    }

    /// Waits until the guest has counted for as long, by its own clock, from now on, and gives the counts.
    pub(crate) fn counts_for(&self, time: Duration) -> Result<Vec<Count>> {
        self.counts_for_in(&self.pod()?, time)
    }

    /// The same in that pod.
    pub(crate) fn counts_for_in(&self, pod: &str, time: Duration) -> Result<Vec<Count>> {
        let known = self.counts_in(pod)?.len();
        self.cluster.until("a guest that counts for long enough", |_| {
            let counts = self.counts_in(pod)?.split_off(known);
            let [first, .., last] = &counts[..] else { return Ok(None) };
            Ok((between(first, last) >= time).then_some(counts))
        })
    }

    /// What the guest counts while `act` acts, and for some time after.
    pub(crate) fn while_it_counts(
        &self,
        after: Duration,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<Vec<Count>> {
        let known = self.counts()?.len();
        act()?;
        self.counts_for(after)?;
        Ok(self.counts()?.split_off(known))
    }

    /// The domain's `<rng>` as libvirt has it.
    pub(crate) fn rng(&self) -> Result<String> {
        let script = "virsh dumpxml 1 | sed -n '/<rng/,/<.rng/p'";
        let words = ["-n", self.namespace, "exec", &self.pod()?, "-c", "compute", "--", "sh", "-c", script];
        let output = self.cluster.kubectl(words).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the pod's annotation says came of the VM's.
    pub(crate) fn bound(&self) -> Result<String> {
        let path = r"jsonpath={.metadata.annotations.entropool\.io/bound}";
        self.cluster.said(&format!("-n {} get pod {} -o {path}", self.namespace, self.pod()?))
    }

    /// Its pod, as a node knows it that serves it from that pool.
    pub(crate) fn drawer(&self, pool: &'static str) -> Result<Drawer> {
        let uid = format!("-n {} get pod {} -o jsonpath={{.metadata.uid}}", self.namespace, self.pod()?);
        Ok(Drawer { uid: self.cluster.said(&uid)?, namespace: self.namespace, pool })
    }

    /// Removes it, and waits until its pod is gone.
    pub(crate) fn delete(self) -> Result<()> {
        let Self { cluster, namespace, name, .. } = self;
        cluster.said(&format!("-n {namespace} delete vm {name} --timeout=120s"))?;
        cluster
            .said(&format!(
                "-n {namespace} wait pod -l vm.kubevirt.io/name={name} --for=delete --timeout=120s"
            ))
            .map(drop)
    }

    fn story(&self) -> String {
        let words = format!("-n {} describe vmi,pod", self.namespace);
        self.cluster.said(&words).unwrap_or_else(|error| format!("{error:#}"))
    }
}

/// The domain of a guest with that errand.
fn domain(resources: &str, errand: &str) -> String {
    format!(
        "      domain:
        {resources}
        firmware:
          kernelBoot:
            kernelArgs: console=ttyS0 quiet panic=-1 mitigations=off {errand}
            container:
              image: localhost/entropool/guest:1
              imagePullPolicy: IfNotPresent
              kernelPath: /boot/vmlinuz
              initrdPath: /boot/initrd
        devices:
          autoattachPodInterface: false
          autoattachGraphicsDevice: false
          autoattachMemBalloon: false
"
    )
}

/// Bytes a second between the first count and the last.
#[expect(clippy::cast_precision_loss, reason = "a guest reads far less than 2^53 bytes")]
pub(crate) fn pace(counts: &[Count]) -> Result<f64> {
    let [first, .., last] = counts else { anyhow::bail!("too few counts for a pace") };
    Ok((last.bytes - first.bytes) as f64 / between(first, last).as_secs_f64())
}

/// The longest time in which a guest that always reads got nothing.
pub(crate) fn longest_wait(counts: &[Count]) -> Result<Duration> {
    let mut since = *counts.first().context("no counts")?;
    let mut longest = Duration::ZERO;
    for count in counts {
        longest = longest.max(between(&since, count));
        if count.bytes > since.bytes {
            since = *count;
        }
    }
    Ok(longest)
}

/// By the guest's clock, which does not go back.
pub(crate) fn between(earlier: &Count, later: &Count) -> Duration {
    later.uptime.saturating_sub(earlier.uptime)
}
