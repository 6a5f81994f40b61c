//! Who is on the host, and what the operator wrote.

use agent::testing::attachments::Attachment;
use dataplane::Client as Kind;
use soak::Rng;

use crate::client::{Guest, Malice};
use crate::violation::MILLISECOND;

/// Ceil of every VM, and of the pool of the kernel's bytes, in bytes a second.
pub(crate) const VM_CEIL: u64 = 8192;
pub(crate) const POOL_CEIL: u64 = 65_536;
/// What a VM of each class is assured.
pub(crate) const GOLD: u64 = 4096;
/// The pools.
pub(crate) const KERNEL: &str = "default";
pub(crate) const NOISE: &str = "noise";

/// What somebody on the host is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Guest(Guest),
    Tool,
    /// Reads so many bytes by 0x01, again and again.
    Reader(u8),
    Hostile(Malice),
}

/// Somebody on the host.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) vm: Attachment,
    pub(crate) role: Role,
    /// It is on the host.
    pub(crate) attached: bool,
    /// A bug: nobody wrote down that it came.
    pub(crate) unsaved: bool,
}

/// A whole scene.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    output: &'static str,
    /// Less than was promised is served where that cannot be: not but where the pool says so.
    pub(crate) degrades: bool,
    pub(crate) members: Vec<Member>,
}

impl Scenario {
    pub(crate) fn of(dice: &mut Rng) -> Self {
        let output = dice.pick(&["Raw", "Stretched", "FullEntropy"]);
        let degrades = dice.once_in(3);
        let members = (0..3 + dice.below(5)).map(|number| member(number, dice)).collect();
        Self { output, degrades, members }
    }

    /// The manifests after so many edits that were right.
    pub(crate) fn manifests(&self, edits: u64) -> String {
        let (weight, ceil) = (100 + edits % 50, 16 + edits % 40);
        let policy = if self.degrades { "Degrade" } else { "Hold" };
        let allow = if self.degrades { "true" } else { "false" };
        let output = self.output;
        format!(
            "apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {{name: default}}
spec: {{rate: 64Ki/s, defaultClass: shared}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: gold}}
spec: {{pool: default, rate: 48Ki/s, perVM: {{rate: 4Ki/s, ceil: 8Ki/s}}}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: shared}}
spec: {{pool: default, weight: {weight}, ceil: {ceil}Ki/s, perVM: {{ceil: 8Ki/s}}}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {{name: noise}}
spec:
  sources:
  - {{name: one, device: {{path: /dev/noise0}}, minEntropyPerByte: \"8\", capacity: {{perNode: 1M/s}}}}
  - {{name: two, device: {{path: /dev/noise1}}, minEntropyPerByte: \"8\", tier: 1, capacity: {{perNode: 1M/s}}}}
  output: {output}
  onSourceFailure: {policy}
  rate: 32Ki/s
  defaultClass: silver
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {{name: silver}}
spec: {{pool: noise, rate: 32Ki/s, allowDegraded: {allow}, perVM: {{rate: 4Ki/s, ceil: 8Ki/s}}}}
"
        )
    }

    /// The same, with a mistake.
    pub(crate) fn mistaken(&self, edits: u64, dice: &mut Rng) -> String {
        let right = self.manifests(edits);
        match dice.below(7) {
            0 => String::new(),
            1 => right.replace("rate: 48Ki/s", "rate: 65Ki/s"),
            2 => right.replace("weight: ", "wieght: "),
            3 => right.replace("name: gold}\nspec: {pool: default", "name: gold}\nspec: {pool: noise"),
            4 => right.replace("ceil: 8Ki/s", "ceil: 8Kib"),
            5 => right.replace("pool: noise, rate: 32Ki/s", "pool: noise, rate: 33Ki/s"),
            _ => right.split_at(right.len() / 2 + 20).0.to_owned() + "\n  - {",
        }
    }
}

fn member(number: u64, dice: &mut Rng) -> Member {
    let noise = dice.once_in(3);
    let assured = noise || dice.once_in(2);
    let (role, client) = match dice.below(7) {
        0 | 1 if assured => (Role::Guest(paced(dice)), Kind::Qemu),
        0..=2 => (Role::Guest(greedy(dice)), Kind::Qemu),
        3 => (Role::Guest(paced(dice)), Kind::Qemu),
        4 => (Role::Reader(*dice.pick(&[64, 255])), Kind::Egd),
        5 => (Role::Tool, *dice.pick(&[Kind::Qemu, Kind::Egd])),
        _ => (Role::Hostile(*dice.pick(&Malice::ALL)), *dice.pick(&[Kind::Qemu, Kind::Egd])),
    };
    let is_paced = matches!(role, Role::Guest(Guest { paced: true, .. }));
    let class = match (noise, assured || is_paced) {
        (true, _) => "silver",
        (false, true) => "gold",
        (false, false) => "shared",
    };
    let pool = if noise { NOISE } else { KERNEL };
    let namespace = format!("tenant-{}", dice.below(3));
    let (id, pool, class) = (format!("vm-{number}"), pool.to_owned(), Some(class.to_owned()));
    let vm = Attachment { id: id.clone(), namespace, pool, class, client, ..Attachment::default() };
    Member { id, vm, role, attached: true, unsaved: false }
}

/// At most half of what it is assured.
fn paced(dice: &mut Rng) -> Guest {
    let size = *dice.pick(&[16, 64, 64, 64, 255]);
    let least = size * 1000 * MILLISECOND / (GOLD / 2);
    Guest { size, gap: least + dice.below(1500) * MILLISECOND, paced: true }
}

fn greedy(dice: &mut Rng) -> Guest {
    Guest { size: *dice.pick(&[64, 255, 1024, 4000]), gap: 0, paced: false }
}
