//! VMs that come, move and go, and whoever draws there.

use std::path::PathBuf;

use soak::Rng;

use super::World;
use crate::client::{Client, Guest, Hostile, Peer, Qemu, Reader, Tool};
use crate::mutations::Mutation;
use crate::scenario::{KERNEL, Role};
use crate::violation::Check;

impl World {
    /// Somebody who begins to draw from a VM's socket.
    pub(super) fn client(&mut self, number: usize) -> Client {
        let peer = Peer::new(number, self.path(number));
        let dice = Rng::new(self.dice.roll());
        let member = &self.scene.members[number];
        match member.role {
            Role::Guest(guest) => Client::Qemu(Qemu::new(peer, guest, self.now)),
            Role::Reader(size) => Client::Reader(Reader::new(peer, size, self.now)),
            Role::Tool => Client::Tool(Tool::new(peer, member.vm.client, dice, self.now)),
            Role::Hostile(malice) => Client::Hostile(Hostile::new(peer, malice, dice, self.now)),
        }
    }

    /// The socket of a VM.
    pub(super) fn path(&self, number: usize) -> PathBuf {
        self.dir.path().join(&self.scene.members[number].id).join("egd.sock")
    }

    /// Detaches a VM, or attaches it where it is not.
    pub(super) fn toggle(&mut self, which: u64) -> Result<(), Check> {
        let number = self.nth(which);
        if self.scene.members[number].attached { self.detach(number) } else { self.attach(number) }
    }

    /// Attaches whoever is not.
    pub(super) fn attach_all(&mut self) -> Result<(), Check> {
        let absent = |number: &usize| !self.scene.members[*number].attached;
        let absent: Vec<_> = (0..self.scene.members.len()).filter(absent).collect();
        absent.into_iter().try_for_each(|number| self.attach(number))
    }

    fn attach(&mut self, number: usize) -> Result<(), Check> {
        let (path, now) = (self.path(number), self.now);
        let Some(process) = &mut self.process else { return Ok(()) };
        let member = &mut self.scene.members[number];
        process.attach(&member.vm, &path, now).map_err(|what| ("P1", what))?;
        member.attached = true;
        member.unsaved = self.plant == Some(Mutation::UnsavedAttach);
        self.clients[number] = self.client(number);
        self.watch.comes(now, number);
        self.changed();
        Ok(())
    }

    fn detach(&mut self, number: usize) -> Result<(), Check> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let member = &mut self.scene.members[number];
        self.watch.goes(process.snapshot(self.now), &member.id);
        process.detach(&member.id, self.now).map_err(|what| ("P1", what))?;
        member.attached = false;
        self.clients[number] = self.client(number);
        self.changed();
        Ok(())
    }

    /// Moves a VM of the kernel's pool to the other class of that.
    pub(super) fn move_one(&mut self, which: u64) -> Result<(), Check> {
        let number = self.nth(which);
        let path = self.path(number);
        let member = &mut self.scene.members[number];
        let is_paced = matches!(member.role, Role::Guest(Guest { paced: true, .. }));
        let Some(process) = self.process.as_mut().filter(|_| member.attached && !is_paced) else {
            return Ok(());
        };
        if member.vm.pool != KERNEL {
            return Ok(());
        }
        let to = if member.vm.class.as_deref() == Some("gold") { "shared" } else { "gold" };
        member.vm.class = Some(to.to_owned());
        let before = process.snapshot(self.now);
        process.move_vm(&member.vm, &path, self.now).map_err(|what| ("P1", what))?;
        self.watch.moves(&before, &process.snapshot(self.now), number, &member.id)?;
        self.changed();
        Ok(())
    }

    fn changed(&mut self) {
        self.report.changes += 1;
        self.note();
    }

    fn nth(&self, which: u64) -> usize {
        usize::try_from(which % self.scene.members.len() as u64).expect("one of a few")
    }
}
