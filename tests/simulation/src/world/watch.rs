//! What is looked at after every instant, by what was seen before it.

use std::collections::HashMap;

use dataplane::{DataPlaneSnapshot, VmSnapshot};
use htb::Tick;
use source::{PoolStatus, Serving};

use super::accounts::{self, Account, GRANT, Levels};
use crate::client::Client;
use crate::process::Process;
use crate::scenario::{GOLD, KERNEL, NOISE, POOL_CEIL, Role, Scenario, VM_CEIL};
use crate::violation::{BEGIN, Check, SECOND};

/// What was seen.
#[derive(Debug)]
pub(super) struct Watch {
    /// The last instant at which a crash or an edit may have held up anybody.
    crash: Tick,
    /// The last instant at which the pool of noise sources did not serve what it promises.
    noise: Tick,
    /// Which sources do not give what they should.
    ailing: [bool; 2],
    /// Since when the pool of noise sources holds, and what had been made for it then.
    held: Option<(u64, u64)>,
    /// Since when each VM has been waiting for bytes without a break, and what it had been served then.
    backlogged: Vec<Option<(Tick, u64)>>,
    /// By member, and that of the kernel's pool.
    accounts: Vec<Account>,
    pool: Account,
    /// What VMs were charged that this process detached, by pool.
    gone: HashMap<String, u64>,
    /// What the process was that is to be no more.
    leaving: Option<DataPlaneSnapshot>,
    /// What was held when the process before ended.
    levels: Option<Levels>,
    ids: Vec<String>,
}

impl Watch {
    pub(super) fn new(scene: &Scenario) -> Self {
        let (zero, members) = (Tick(0), scene.members.len());
        Self {
            crash: zero,
            noise: zero,
            ailing: [false; 2],
            held: None,
            backlogged: vec![None; members],
            accounts: vec![Account::new(BEGIN); members],
            pool: Account::new(BEGIN),
            gone: HashMap::new(),
            leaving: None,
            levels: None,
            ids: scene.members.iter().map(|member| member.id.clone()).collect(),
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

    /// This process may be no more from here on.
    pub(super) fn leaves(&mut self, now: Tick, process: &Process) {
        let snapshot = process.snapshot(now);
        self.levels = Some(Levels::of(&snapshot));
        self.leaving = Some(snapshot);
    }

    /// It goes on.
    pub(super) fn stays(&mut self) {
        (self.leaving, self.levels) = (None, None);
    }

    /// It is gone.
    fn left(&mut self) {
        for pool in self.leaving.take().into_iter().flat_map(|snapshot| snapshot.pools) {
            if pool.name == KERNEL {
                self.pool.carry(pool.node.stats.bytes);
            }
            for vm in &pool.vms {
                if let Some(number) = self.ids.iter().position(|id| *id == vm.id) {
                    self.accounts[number].carry(vm.node.stats.bytes);
                }
            }
        }
        self.gone.clear();
        self.held = None;
        self.backlogged.fill(None);
    }

    pub(super) fn crashed(&mut self, now: Tick) {
        self.left();
        self.crash = now;
        self.accounts.iter_mut().for_each(|account| account.credit(1));
        self.pool.credit(self.accounts.len() as u64);
    }

    /// Nobody looks at what was held.
    pub(super) fn forget_levels(&mut self) {
        self.levels = None;
    }

    /// Nothing is left of what was before.
    pub(super) fn rebooted(&mut self, now: Tick) {
        self.levels = None;
        self.accounts.fill(Account::new(now));
        self.pool = Account::new(now);
        self.pool.credit(self.accounts.len() as u64);
    }

    /// This process serves now: nobody in it has more than was left.
    pub(super) fn goes_on(&mut self, now: Tick, process: &Process) -> Result<(), Check> {
        self.left();
        self.noise = now;
        match self.levels.take() {
            Some(before) => before.bound(&Levels::of(&process.snapshot(now))),
            None => Ok(()),
        }
    }

    /// A VM begins anew.
    pub(super) fn comes(&mut self, now: Tick, number: usize) {
        self.accounts[number] = Account::new(now);
        self.pool.credit(1);
        self.backlogged[number] = None;
    }

    /// A VM is to be detached.
    pub(super) fn goes(&mut self, snapshot: DataPlaneSnapshot, id: &str) {
        for pool in snapshot.pools {
            let vm = pool.vms.iter().find(|vm| vm.id == id);
            *self.gone.entry(pool.name).or_default() += vm.map_or(0, |vm| vm.node.stats.bytes);
        }
    }

    /// A VM was moved: with its debts.
    pub(super) fn moves(
        &mut self,
        before: &DataPlaneSnapshot,
        after: &DataPlaneSnapshot,
        number: usize,
        id: &str,
    ) -> Result<(), Check> {
        self.backlogged[number] = None;
        let node = |snapshot: &DataPlaneSnapshot| {
            let vm = snapshot.pools.iter().flat_map(|pool| &pool.vms).find(|vm| vm.id == id);
            vm.map(|vm| vm.node)
        };
        match (node(before), node(after)) {
            (Some(before), Some(after)) => accounts::within(id, &before, &after, 0),
            _ => Err(("P1", format!("{id} is not attached"))),
        }
    }

    pub(super) fn look(
        &mut self,
        now: Tick,
        process: &Process,
        clients: &mut [Client],
        scene: &Scenario,
    ) -> Result<(), Check> {
        let snapshot = process.snapshot(now);
        let members = clients.len() as u64;
        for pool in &snapshot.pools {
            let leaves: u64 = pool.vms.iter().map(|vm| vm.node.stats.bytes).sum();
            let all = leaves + self.gone.get(&pool.name).copied().unwrap_or_default();
            if all != pool.node.stats.bytes {
                let what = format!("pool {} gave {}, its VMs got {all}", pool.name, pool.node.stats.bytes);
                return Err(("conservation", what));
            }
            if pool.name == KERNEL {
                self.pool.within(all, POOL_CEIL, now, members, "pool default")?;
            }
        }
        if let Some(status) = process.pools().first() {
            self.sources(now, status, scene)?;
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let member = &scene.members[number];
            let vm = snapshot.pools.iter().flat_map(|pool| &pool.vms).find(|vm| vm.id == member.id);
            let (true, Some(vm)) = (member.attached, vm) else {
                if member.attached == vm.is_some() {
                    continue;
                }
                return Err(("P1", format!("{}, attached: {}", member.id, vm.is_some())));
            };
            let account = &self.accounts[number];
            account.within(vm.node.stats.bytes, VM_CEIL, now, 1, &vm.id)?;
            let (got, paid) = (client.peer().received, account.sum(vm.node.stats.bytes));
            if got > paid {
                return Err(("conservation", format!("{} got {got} bytes and was charged {paid}", vm.id)));
            }
            self.assured(now, number, client, vm, scene)?;
        }
        Ok(())
    }

    /// Nothing is made while a pool holds. What was made before that was made of samples that had passed their tests,
    /// so it is served.
    fn sources(&mut self, now: Tick, status: &PoolStatus, scene: &Scenario) -> Result<(), Check> {
        if status.serving != Serving::Promised || self.ailing.contains(&true) {
            self.noise = now;
        }
        let made = status.bytes_out;
        match status.serving {
            Serving::Degraded if !scene.degrades => {
                Err(("P4", "degraded bytes are served where the pool says Hold".to_owned()))
            }
            Serving::Held | Serving::Starting => {
                let (since, before) = *self.held.get_or_insert((status.since, made));
                if since == status.since && made > before {
                    return Err(("P4", format!("{} bytes were made while the pool held", made - before)));
                }
                self.held = Some((status.since, made));
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
        scene: &Scenario,
    ) -> Result<(), Check> {
        let member = &scene.members[number];
        let asks = match (client, member.role) {
            (Client::Qemu(qemu), Role::Guest(guest)) => !guest.paced && vm.owed > 0 && qemu.waits > 0,
            (Client::Reader(reader), _) => reader.is_asking(now),
            _ => return Ok(()),
        };
        let served = vm.node.stats.bytes;
        if !asks || vm.class == "shared" || self.calm(&member.vm.pool) == now {
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
pub(super) fn at_the_end(clients: &[Client]) -> Result<(), Check> {
    for (number, client) in clients.iter().enumerate() {
        if let Client::Qemu(qemu) = client
            && qemu.waits > 0
        {
            return Err(("P3", format!("client {number} hangs: it waits for {} bytes", qemu.waits)));
        }
    }
    Ok(())
}
