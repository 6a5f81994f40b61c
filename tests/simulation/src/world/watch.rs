//! What is looked at after every instant, by what was seen before it.

use htb::Tick;
use server::VmSnapshot;
use source::{PoolStatus, Serving};

use crate::broken::{Breach, SECOND};
use crate::client::Client;
use crate::process::Process;
use crate::scene::{GOLD, KERNEL, NOISE, POOL_CEIL, Role, Scene, VM_CEIL};

/// EGD's largest request: what one grant, or one credit, may be beyond a bucket.
const GRANT: u64 = 255;
/// The burst of a bucket whose manifest names none.
const BURST: u64 = 1024;
/// What had passed its tests before a pool held may still be served: its buffers.
const TESTED: u64 = 16_384;

/// What was seen.
#[derive(Debug)]
pub(super) struct Watch {
    /// The last instant at which a crash or an edit may have held up anybody.
    crash: Tick,
    /// The last instant at which the pool of noise sources did not serve what it promises.
    noise: Tick,
    started: Tick,
    /// Which sources do not give what they should.
    ailing: [bool; 2],
    /// Since when the pool holds, and what it had served then.
    held: Option<(Tick, u64)>,
    /// Since when each VM has been waiting for bytes without a break, and what it had been served then.
    backlogged: Vec<Option<(Tick, u64)>>,
}

impl Watch {
    pub(super) fn new(members: usize) -> Self {
        let zero = Tick(0);
        Self {
            crash: zero,
            noise: zero,
            started: zero,
            ailing: [false; 2],
            held: None,
            backlogged: vec![None; members],
        }
    }

    /// Since when nothing has happened that a read of this pool may wait for.
    pub(super) fn calm(&self, pool: &str) -> Tick {
        if pool == NOISE { self.crash.max(self.noise) } else { self.crash }
    }

    /// A source or a configuration is not what it was.
    pub(super) fn disturb(&mut self, now: Tick) {
        self.noise = now;
        self.backlogged.fill(None);
    }

    pub(super) fn ails(&mut self, source: usize, ails: bool) {
        self.ailing[source] = ails;
    }

    pub(super) fn crashed(&mut self, now: Tick) {
        (self.crash, self.held) = (now, None);
        self.backlogged.fill(None);
    }

    pub(super) fn rebooted(&mut self, now: Tick) {
        self.crashed(now);
    }

    pub(super) fn started(&mut self, now: Tick) {
        (self.started, self.noise) = (now, now);
    }

    pub(super) fn look(
        &mut self,
        now: Tick,
        process: &Process,
        clients: &mut [Client],
        scene: &Scene,
    ) -> Result<(), Breach> {
        let snapshot = process.snapshot(now);
        let age = now.since(self.started);
        for pool in &snapshot.pools {
            let vms = pool.vms.len() as u64;
            let leaves: u64 = pool.vms.iter().map(|vm| vm.node.stats.bytes).sum();
            if leaves != pool.node.stats.bytes {
                let what = format!("pool {} gave {}, its VMs got {leaves}", pool.name, pool.node.stats.bytes);
                return Err(("conservation", what));
            }
            if pool.name == KERNEL {
                within(leaves, POOL_CEIL, age, vms, "pool default")?;
            }
            for vm in &pool.vms {
                within(vm.node.stats.bytes, VM_CEIL, age, 1, &vm.id)?;
            }
        }
        if let Some(status) = process.pools().first() {
            let noise = snapshot.pools.iter().find(|pool| pool.name == NOISE);
            self.sources(now, status, noise.map_or(0, |pool| pool.node.stats.bytes), scene)?;
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let id = &scene.members[number].id;
            let vm = snapshot.pools.iter().flat_map(|pool| &pool.vms).find(|vm| vm.id == *id);
            let Some(vm) = vm else { return Err(("P1", format!("{id} is not attached"))) };
            if client.peer().received > vm.node.stats.bytes {
                let (got, paid) = (client.peer().received, vm.node.stats.bytes);
                return Err(("conservation", format!("{id} got {got} bytes and was charged {paid}")));
            }
            self.assured(now, number, client, vm, scene)?;
        }
        Ok(())
    }

    /// A pool that must hold serves nothing that was not tested before.
    fn sources(&mut self, now: Tick, status: &PoolStatus, bytes: u64, scene: &Scene) -> Result<(), Breach> {
        if status.serving != Serving::Promised || self.ailing.contains(&true) {
            self.noise = now;
        }
        match status.serving {
            Serving::Degraded if !scene.degrades => {
                Err(("P4", "degraded bytes are served where the pool says Hold".to_owned()))
            }
            Serving::Held | Serving::Starting => {
                let (since, before) = *self.held.get_or_insert((now, bytes));
                if bytes - before > TESTED {
                    let what = format!("{} bytes served since it holds, {:?}", bytes - before, since);
                    return Err(("P4", what));
                }
                Ok(())
            }
            _ => {
                self.held = None;
                Ok(())
            }
        }
    }

    /// Who has asked for more than it got all the time has got what it is assured.
    fn assured(
        &mut self,
        now: Tick,
        number: usize,
        client: &Client,
        vm: &VmSnapshot,
        scene: &Scene,
    ) -> Result<(), Breach> {
        let member = &scene.members[number];
        let (Client::Qemu(qemu), Role::Guest(guest)) = (client, member.role) else { return Ok(()) };
        let served = vm.node.stats.bytes;
        let asks = vm.owed > 0 && qemu.waits > 0 && member.vm.class.as_deref() != Some("shared");
        if guest.paced || !asks || self.calm(&member.vm.pool) == now {
            self.backlogged[number] = None;
            return Ok(());
        }
        let (since, before) = *self.backlogged[number].get_or_insert((now, served));
        let due =
            u64::try_from(u128::from(GOLD) * u128::from(now.since(since)) / u128::from(SECOND)).unwrap_or(0);
        let got = served - before;
        if got + 4 * GRANT < due {
            let id = &member.id;
            return Err(("rate", format!("{id} got {got} bytes in a time in which it is assured {due}")));
        }
        Ok(())
    }
}

/// When all has healed, nobody waits.
pub(super) fn at_the_end(clients: &[Client]) -> Result<(), Breach> {
    for (number, client) in clients.iter().enumerate() {
        if let Client::Qemu(qemu) = client
            && qemu.waits > 0
        {
            return Err(("P3", format!("client {number} hangs: it waits for {} bytes", qemu.waits)));
        }
    }
    Ok(())
}

/// No more than the bucket of a ceil lets through, and what was on credit.
fn within(bytes: u64, ceil: u64, age: u64, vms: u64, whose: &str) -> Result<(), Breach> {
    let seconds = age.div_ceil(SECOND) + 1;
    let through = u64::try_from(u128::from(ceil) * u128::from(age) / u128::from(SECOND)).unwrap_or(u64::MAX);
    let most = through + BURST + GRANT + vms * GRANT * seconds;
    if bytes > most {
        return Err(("ceil", format!("{whose} got {bytes} bytes, and its ceil lets {most} through")));
    }
    Ok(())
}
