//! The agent's process: it dies, is started again, and hands over.

use std::path::PathBuf;
use std::sync::Arc;

use agent::ManifestSet;
use agent::testing::checkpoint::CheckpointState;
use delivery::NodeConfig;
use source::fake::Fake;

use super::World;
use super::manifests::manifests;
use crate::client::Client;
use crate::disk::Fate;
use crate::fault;
use crate::handover::{Expected, HandoverFault, Survivor, hand_over};
use crate::mutations::Mutation;
use crate::process::{Process, wanted};
use crate::violation::{Check, SECOND};

impl World {
    /// The state file.
    fn noted(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The process is killed.
    pub(super) fn die(&mut self) {
        let Some(process) = self.process.take() else { return };
        self.watch.leaves(self.now, &process);
        process.crash();
        self.died();
    }

    /// The process is gone.
    fn died(&mut self) {
        self.report.crashes += 1;
        self.due = None;
        let slow = self.plant == Some(Mutation::SlowSupervisor);
        self.start = self.now.after(if slow { 3 * SECOND } else { fault::pause(&mut self.dice) });
        match self.plant {
            Some(Mutation::RewoundSource) => {
                let seed = self.seed;
                self.fakes = (0..2).map(|source| Fake::new(seed ^ (source << 32))).collect();
            }
            Some(Mutation::ForgottenDebts) => drop(std::fs::remove_file(self.noted())),
            Some(Mutation::ForgottenManners) => {
                drop(std::fs::remove_file(self.noted()));
                self.watch.forget_levels();
            }
            _ => {}
        }
        self.watch.crashed(self.now);
    }

    /// The host is started again, and everybody on it.
    pub(super) fn cut_power(&mut self, kept: u32, fate: Fate) {
        self.die();
        self.keep.disk.world().power_cut(kept, fate);
        // Where the state file is, nothing outlives that.
        drop(std::fs::remove_file(self.noted()));
        self.clients = (0..self.clients.len()).map(|number| self.client(number)).collect();
        self.watch.rebooted(self.now);
    }

    /// The supervisor starts the process again: it knows the disk, the state file and the manifests, and nothing else.
    pub(super) fn restart(&mut self) -> Result<(), Check> {
        self.keep.disk.world().restart();
        let settled = self.keep.is_settled();
        let state = self.keep.reopen()?;
        self.recover(&state, settled)?;
        let remembered = self.remembered(&state);
        self.accepted = 0;
        self.book = remembered;
        self.judge()?;
        drop(self.book.read(manifests(&self.text)));
        self.judge()?;
        self.serve()?;
        self.note();
        Ok(())
    }

    fn remembered(&self, state: &CheckpointState) -> ManifestSet {
        let book = ManifestSet::new(state.vms.values().map(|vm| vm.namespace.clone()));
        if self.plant == Some(Mutation::Forgetful) { book } else { book.restore(state.accepted.clone()) }
    }

    /// The VMs are those of a checkpoint, from now on.
    fn recover(&mut self, state: &CheckpointState, settled: bool) -> Result<(), Check> {
        for number in 0..self.scene.members.len() {
            let member = &mut self.scene.members[number];
            let known = state.vms.get(&member.id);
            if settled && (known.is_some() != member.attached || known.is_some_and(|vm| *vm != member.vm)) {
                let what = format!("{} is not as it was attached and saved: {known:?}", member.id);
                return Err(("P5", what));
            }
            let was = std::mem::replace(&mut member.attached, known.is_some());
            member.vm = known.unwrap_or(&member.vm).clone();
            if member.attached != was {
                // Whoever is there begins anew; whoever is not draws nothing.
                self.clients[number] = self.client(number);
                self.watch.comes(self.now, number);
            }
        }
        Ok(())
    }

    /// The configuration in effect was valid once, and is never replaced by an older one.
    pub(super) fn judge(&mut self) -> Result<(), Check> {
        let is = |right: &Arc<NodeConfig>| right == self.book.config();
        let Some(at) = self.rights.iter().rposition(is).filter(|at| *at >= self.accepted) else {
            return Err(("P5", "the configuration in effect was not accepted, or not last".to_owned()));
        };
        self.accepted = at;
        Ok(())
    }

    /// A new process applies the configuration and attaches all VMs.
    pub(super) fn serve(&mut self) -> Result<(), Check> {
        let mut process = Process::start(&self.fakes, self.plant, &self.noted());
        let refused = |what| ("P5", what);
        if self.book.config().pools.len() != 2 {
            return Err(refused("after a restart there is nothing to serve".to_owned()));
        }
        process.apply(self.book.config(), self.now).map_err(refused)?;
        for (number, member) in self.scene.members.iter().enumerate().filter(|(_, member)| member.attached) {
            process.attach(&member.vm, &self.path(number), self.now).map_err(refused)?;
        }
        process.stage.discard_unclaimed();
        self.watch.goes_on(self.now, &process)?;
        self.process = Some(process);
        Ok(())
    }

    /// The process is asked to hand over to another, and either may die of it.
    pub(super) fn hand_over(&mut self, cut: HandoverFault) -> Result<(), Check> {
        let Some(old) = self.process.take() else { return Ok(()) };
        if !self.keep.conclude(self.now) {
            // What is kept is not all on the disk: it says no, or dies of a write that was to be its last.
            self.process = Some(old);
            if self.keep.disk.world().dead {
                self.die();
            }
            return Ok(());
        }
        // It was to be of a save that the process dies, not of a look.
        self.keep.disk.world().trouble = None;
        let state = self.keep.reopen()?;
        let before = self.connected();
        self.watch.leaves(self.now, &old);
        let mut book = self.remembered(&state);
        drop(book.read(manifests(&self.text)));
        let Self { fakes, plant, dir, now, scene, .. } = self;
        let (plant, now, noted) = (*plant, *now, dir.path().join("state"));
        let attached = scene.members.iter().filter(|member| member.attached);
        let vms = attached.map(|member| (member.id.clone(), wanted(&member.vm, plant))).collect();
        let begin = || {
            let mut new = Process::succeed(fakes, plant, &noted);
            new.apply(book.config(), now).map(|()| new)
        };
        let wanted = Expected { vms, socket_dir: dir.path(), plant, now };
        match hand_over(old, begin, wanted, cut).map_err(|what| ("P3", what))? {
            Survivor::Successor(new) => {
                self.watch.goes_on(self.now, &new)?;
                (self.process, self.book) = (Some(new), book);
                self.report.handed_over += 1;
            }
            Survivor::Predecessor(old) => {
                self.watch.stays();
                self.process = Some(old);
            }
            Survivor::Nobody => {
                self.died();
                return Ok(());
            }
        }
        self.judge()?;
        self.note();
        match (before, self.connected()) {
            (before, after) if before == after => Ok(()),
            (before, after) => Err(("P3", format!("of {before:?} connections {after:?} are left"))),
        }
    }

    /// How many QEMUs have a connection that has not ended.
    fn connected(&self) -> usize {
        self.clients
            .iter()
            .filter(|client| matches!(client, Client::Qemu(qemu) if qemu.is_connected()))
            .count()
    }

    /// This is how things are now.
    pub(super) fn note(&mut self) {
        let attached = self.scene.members.iter().filter(|member| member.attached && !member.unsaved);
        let vms = attached.map(|member| (member.id.clone(), member.vm.clone())).collect();
        self.keep.note(CheckpointState { accepted: self.book.specs(), vms, ..CheckpointState::default() });
    }
}
