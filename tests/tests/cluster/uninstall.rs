//! What a node has of a pod that draws: all of it while the pod lives, and nothing when it is gone.

use anyhow::{Context, Result};
use entropool_tests::cluster::Kubernetes;

/// A pod, as whoever leaves something of it knows it.
pub(crate) struct Drawer {
    pub(crate) uid: String,
    pub(crate) namespace: &'static str,
    pub(crate) pool: &'static str,
}

/// What there is of any pod that draws. Of some there are mounts as well, which the kubelet makes for the pod itself.
pub(crate) const OF_A_LIVING_ONE: [&str; 5] =
    ["its directory", "its record", "its processes", "its levels", "its VM"];

impl Drawer {
    /// All that `node1` has of it.
    pub(crate) fn traces(&self, cluster: &Kubernetes) -> Result<Vec<String>> {
        let uid = &self.uid;
        let look = format!(
            "[ ! -e /var/lib/kubelet/pods/{uid} ] || echo its directory
            grep -qF {uid} /proc/mounts && echo its mounts
            ls /run/entropool/attachments | grep -qF {uid} && echo its record
            grep -qF {uid} $(ls -t /var/lib/entropool/* | head -n 1) && echo its checkpoint
            grep -sqF {uid} /proc/[0-9]*/cgroup && echo its processes
            od -An -v -tx1 /run/entropool/state | tr -d ' \\n' | grep -qF {} && echo its levels
            true",
            self.title(cluster)?
        );
        let said = cluster.on_node(&["sh", "-c", &look])?;
        let mut found: Vec<String> = said.lines().map(str::to_owned).collect();
        if cluster.ask(&["vms", "-o", "json"])?.contains(uid) {
            found.push("its VM".to_owned());
        }
        Ok(found)
    }

    /// Waits until there is nothing any more.
    pub(crate) fn until_gone(&self, cluster: &Kubernetes) -> Result<()> {
        let mut last = Vec::new();
        let gone = cluster.until("a node without a trace", |cluster| {
            last = self.traces(cluster)?;
            Ok(last.is_empty().then_some(()))
        });
        gone.with_context(|| format!("of pod {} there is still {last:?}", self.uid))
    }

    /// How its record begins in the state file: two words of a digest of its names, each with the last byte first.
    fn title(&self, cluster: &Kubernetes) -> Result<String> {
        let Self { uid, namespace, pool } = self;
        let digest = format!(r"printf 'vm\000{pool}\000{namespace}\000{uid}' | sha256sum");
        let said = cluster.on_node(&["sh", "-c", &digest])?;
        let words = said.get(..32).context("a digest has 64 digits")?.as_bytes().chunks(16);
        let turned = words.flat_map(|word| word.chunks(2).rev().flatten());
        Ok(turned.map(|digit| char::from(*digit)).collect())
    }
}
