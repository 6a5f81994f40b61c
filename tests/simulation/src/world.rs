//! Everything on the host, and its time.

use std::sync::Arc;

use agent::ManifestSet;
use delivery::NodeConfig;
use htb::Tick;
use soak::Rng;
use source::fake::{Fake, FakeBehaviour};
use tempfile::TempDir;

use crate::checkpoint::SimulatedCheckpoint;
use crate::client::{Client, Scope};
use crate::disk::Model;
use crate::fault::{self, Fault, LIFE, REST};
use crate::ledger::Ledger;
use crate::mutations::Mutation;
use crate::process::Process;
use crate::scenario::Scenario;
use crate::violation::{BEGIN, Check, SECOND, Violation};
use manifests::manifests;
use watch::Watch;

mod accounts;
mod lives;
mod manifests;
mod members;
mod watch;

/// Rounds at one instant: more is clients and agent that never come to rest.
const ROUNDS: usize = 10_000;

/// What a life came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Instants at which something happened.
    pub instants: u64,
    /// Times that the agent died.
    pub crashes: u64,
    /// Times that it was asked to hand over, and did.
    pub handed_over: u64,
    /// Times that a VM was attached, moved or detached.
    pub changes: u64,
    /// Reads of guests that were answered.
    pub reads: u64,
    /// Random bytes that somebody got.
    pub bytes: u64,
    /// The longest that a guest waited that asked for less than it was assured, in nanoseconds.
    pub longest: u64,
    /// A digest of all of it: two lives of one seed have the same.
    pub trace: u64,
}

/// A host.
pub(crate) struct World {
    seed: u64,
    dice: Rng,
    now: Tick,
    plant: Option<Mutation>,
    scene: Scenario,
    dir: TempDir,
    fakes: Vec<Fake>,
    process: Option<Process>,
    /// When the supervisor starts the process again.
    start: Tick,
    book: ManifestSet,
    /// The manifests as they are, and how often they were edited rightly.
    text: String,
    edits: u64,
    /// The configuration in effect after each valid edit, whether it was saved, and which one is current.
    rights: Vec<Arc<NodeConfig>>,
    accepted: usize,
    keep: SimulatedCheckpoint,
    clients: Vec<Client>,
    ledger: Ledger,
    faults: Vec<(Tick, Fault)>,
    watch: Watch,
    /// When the process itself has something to do.
    due: Option<Tick>,
    closing: bool,
    report: Report,
}

impl World {
    pub(crate) fn new(seed: u64, plant: Option<Mutation>) -> Self {
        let mut dice = Rng::new(seed);
        let scene = Scenario::of(&mut dice);
        let mut faults = fault::schedule(&mut dice, BEGIN.after(LIFE));
        faults.reverse();
        let fakes = (0..2).map(|source| Fake::new(seed ^ (source << 32))).collect();
        let namespaces = (0..3).map(|tenant| format!("tenant-{tenant}"));
        let text = scene.manifests(0);
        let mut world = Self {
            seed,
            dice,
            now: BEGIN,
            plant,
            dir: tempfile::tempdir().unwrap(),
            fakes,
            process: None,
            start: BEGIN,
            book: ManifestSet::new(namespaces),
            text,
            edits: 0,
            rights: Vec::new(),
            accepted: 0,
            keep: SimulatedCheckpoint::new(Model::default()),
            clients: Vec::new(),
            ledger: Ledger::default(),
            faults,
            watch: Watch::new(&scene),
            due: None,
            closing: false,
            report: Report::default(),
            scene,
        };
        world.clients = (0..world.scene.members.len()).map(|number| world.client(number)).collect();
        world
    }

    pub(crate) fn live(mut self) -> Result<Report, Violation> {
        self.first_start().and_then(|()| self.live_on()).map_err(|(promise, what)| {
            let at = self.now.since(BEGIN);
            Violation { seed: self.seed, at, promise, what }
        })?;
        self.report.bytes = self.ledger.bytes;
        for client in &self.clients {
            if let Client::Qemu(qemu) = client {
                self.report.reads += qemu.reads;
                self.report.longest = self.report.longest.max(qemu.longest);
            }
        }
        Ok(self.report)
    }

    fn first_start(&mut self) -> Result<(), Check> {
        let verdict = self.book.read(manifests(&self.text));
        if !verdict.refused.is_empty() {
            return Err(("scene", verdict.refused.join("\n")));
        }
        self.rights.push(Arc::clone(self.book.config()));
        self.note();
        // Whoever started it sees it start: the first state is on disk.
        self.keep.step(self.now);
        self.serve()
    }

    fn live_on(&mut self) -> Result<(), Check> {
        let heal = BEGIN.after(LIFE);
        let end = heal.after(REST);
        while self.now < end {
            if self.now >= heal && !self.closing {
                self.heal();
            }
            self.strike()?;
            if self.closing {
                self.attach_all()?;
            }
            self.settle()?;
            self.look()?;
            self.report.instants += 1;
            self.mark(self.now.0 ^ self.ledger.bytes);
            self.now = self.next().unwrap_or(end).min(if self.now < heal { heal } else { end });
        }
        watch::at_the_end(&self.clients)
    }

    /// Folds something into the trace.
    fn mark(&mut self, what: u64) {
        self.report.trace = (self.report.trace ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
    }

    /// From here on nothing goes wrong any more, and nobody asks for more.
    fn heal(&mut self) {
        self.closing = true;
        self.faults.clear();
        self.keep.disk.world().refuses = None;
        for (at, fake) in self.fakes.iter().enumerate() {
            fake.set_behaviour(FakeBehaviour::Good);
            self.watch.ails(at, false);
        }
        if let Some(process) = &self.process {
            for source in ["one", "two"] {
                process.retest(source);
            }
        }
        self.watch.disturb(self.now);
    }

    /// Everything that is to happen at this instant, besides what clients and agent do by themselves.
    fn strike(&mut self) -> Result<(), Check> {
        if self.process.is_none() && self.start <= self.now {
            self.restart()?;
        }
        while let Some((_, fault)) = self.faults.pop_if(|(due, _)| *due <= self.now) {
            self.inject(fault)?;
        }
        if self.process.is_some() && self.keep.step(self.now) {
            self.die();
        }
        Ok(())
    }

    fn inject(&mut self, fault: Fault) -> Result<(), Check> {
        self.mark(1);
        match fault {
            Fault::Kill => self.die(),
            Fault::CutSave(call, trouble) => {
                let mut disk = self.keep.disk.world();
                let call = disk.calls + call;
                disk.trouble = Some((call, trouble));
            }
            Fault::PowerCut(kept, fate) => self.cut_power(kept, fate),
            Fault::Source(at, manner) => {
                self.fakes[at].set_behaviour(manner);
                self.watch.ails(at, manner != FakeBehaviour::Good);
                self.watch.disturb(self.now);
            }
            Fault::Retest(at) => {
                if let Some(process) = &self.process {
                    process.retest(["one", "two"][at]);
                }
                self.watch.disturb(self.now);
            }
            Fault::Edit { right } => self.edit(right)?,
            Fault::Disk(refuses) => self.keep.disk.world().refuses = refuses,
            Fault::HandOver(cut) => self.hand_over(cut)?,
            Fault::Toggle(which) => self.toggle(which)?,
            Fault::Move(which) => self.move_one(which)?,
        }
        Ok(())
    }

    fn edit(&mut self, right: bool) -> Result<(), Check> {
        self.text = if right {
            self.edits += 1;
            let text = self.scene.manifests(self.edits);
            let mut book = self.book.clone();
            drop(book.read(manifests(&text)));
            self.rights.push(Arc::clone(book.config()));
            text
        } else {
            self.scene.mistaken(self.edits, &mut self.dice)
        };
        let Some(process) = &mut self.process else { return Ok(()) };
        let verdict = self.book.read(manifests(&self.text));
        if verdict.refused.is_empty() != right {
            return Err(("P5", format!("an edit, right: {right}, was judged so: {:?}", verdict.refused)));
        }
        if self.plant == Some(Mutation::BadEditTaken) && !right {
            self.book = ManifestSet::new([]);
            drop(self.book.read(manifests(&self.text)));
        }
        process.apply(self.book.config(), self.now).map_err(|what| ("P5", what))?;
        self.watch.disturb(self.now);
        self.judge()?;
        self.note();
        Ok(())
    }

    /// Lets agent and clients do all they can at this instant.
    fn settle(&mut self) -> Result<(), Check> {
        for _ in 0..ROUNDS {
            let mut did = false;
            if let Some(process) = &mut self.process {
                let (turned, due) = process.turn(self.now);
                (did, self.due) = (turned, due);
            }
            let Self { now, ledger, watch, clients, closing, scene, .. } = self;
            for (client, member) in
                clients.iter_mut().zip(&scene.members).filter(|(_, member)| member.attached)
            {
                let calm = watch.calm(&member.vm.pool);
                let mut scope = Scope { now: *now, ledger, calm, closing: *closing };
                did |= client.act(&mut scope)?;
            }
            if !did {
                return Ok(());
            }
        }
        Err(("rest", "agent and clients never come to rest".to_owned()))
    }

    /// Looks whether all promises hold.
    fn look(&mut self) -> Result<(), Check> {
        let Self { now, ledger, watch, clients, closing, scene, process, .. } = self;
        if let Some(process) = process {
            watch.look(*now, process, clients, scene)?;
        }
        for (client, member) in clients.iter().zip(&scene.members).filter(|(_, member)| member.attached) {
            if let Client::Qemu(qemu) = client {
                let calm = watch.calm(&member.vm.pool);
                qemu.is_patient(&Scope { now: *now, ledger, calm, closing: *closing })?;
            }
        }
        Ok(())
    }

    /// The next instant at which something happens.
    fn next(&self) -> Option<Tick> {
        let attached = self.clients.iter().zip(&self.scene.members).filter(|(_, member)| member.attached);
        let clients = attached.filter_map(|(client, _)| client.next());
        let start = self.process.is_none().then_some(self.start);
        let fault = self.faults.last().map(|(due, _)| *due);
        let keep = self.process.as_ref().and_then(|_| self.keep.next());
        let patience = (!self.closing).then(|| self.now.after(SECOND / 4));
        let all = clients.chain(start).chain(fault).chain(keep).chain(self.due).chain(patience);
        all.filter(|due| *due > self.now).min()
    }
}
