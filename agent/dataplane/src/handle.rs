//! The handle by which the rest of the agent talks to the loop.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use htb::Tick;
use source::{PoolStatus, Sources, Supply, SupplyError};

use crate::clock;
use crate::config::{AttachRequest, PoolConfig, SupplySpec};
use crate::core::apply;
use crate::core::event_loop::{self, Command};
use crate::core::handover::{HandoverOutcome, VmState};
use crate::core::heartbeat::Heartbeat;
use crate::core::state::DataPlane;
use crate::descriptors::{self, Descriptors};
use crate::error::ApplyError;
use crate::error::{AttachError, DetachError, MoveError};
use crate::listener::ListenError;
use crate::listener::{self, Listener};
use crate::listener::{ListenerLocation, SOCKET, socket_path};
use crate::options::{DataPlaneOptions, StartError, Stopped};
use crate::persist::CrashState;
use crate::poll::ring;
use crate::snapshot::Snapshot;

/// Starts the loop's thread. It serves nothing yet: see [`Server::apply`] and [`Server::attach`].
pub fn start(options: DataPlaneOptions) -> Result<DataPlaneHandle, StartError> {
    listener::prepare(&options.socket_dir).map_err(StartError::SocketDirectory)?;
    let descriptors = Descriptors::within(descriptors::raise());
    let state = options.state_file.as_deref().map(|path| CrashState::open(path, records(descriptors.vms())));
    let plane = DataPlane::new(descriptors, state.unwrap_or_default());
    let (beat, seen) = Heartbeat::new()
        .inspect_err(|error| tracing::warn!(%error, "nobody sees from outside whether the loop sleeps"))
        .ok()
        .unzip();
    let beat = beat.unwrap_or_default();
    let plane = DataPlane {
        paused: options.paused,
        heartbeat: beat,
        ..plane.map_err(|source| StartError::Poll { source })?
    };
    let bell = plane.poll.bell();
    let (sender, commands) = channel();
    let thread = std::thread::Builder::new()
        .name("data-plane".to_owned())
        .spawn(move || event_loop::run(plane, &commands))
        .map_err(|source| StartError::Thread { source })?;
    let sources = Sources::new(options.permissions.clone(), || clock::now().0);
    let (applying, thread) = (Mutex::default(), Mutex::new(Some(thread)));
    let inner = Inner { options, commands: Some(sender), bell, applying, sources, seen, thread };
    Ok(DataPlaneHandle { inner: Arc::new(inner) })
}

/// As many as the VMs, their namespaces and their classes may take.
fn records(max_vms: u64) -> usize {
    usize::try_from(max_vms.saturating_mul(2).saturating_add(4096)).unwrap_or(usize::MAX)
}

/// A handle on the running loop. Its methods block for one turn of the loop, so an async caller calls them where
/// blocking is allowed. When the last handle goes, so does the server.
#[derive(Clone, Debug)]
pub struct DataPlaneHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: DataPlaneOptions,
    /// `None` only while it is dropped.
    commands: Option<Sender<Command>>,
    bell: Arc<OwnedFd>,
    /// Held by who applies a configuration.
    applying: Mutex<()>,
    /// Ends after the loop, whose supplies they fill.
    sources: Sources,
    /// Where it is seen whether the loop sleeps.
    seen: Option<File>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl DataPlaneHandle {
    /// Goes over to these pools, all of them or none. A pool that is not among them takes no new VM, and goes with
    /// the last it has.
    pub fn apply(&self, pools: Vec<PoolConfig>) -> Result<(), ApplyError> {
        // One after the other: what is prepared for the pools as they are must find them so.
        let _turn = self.inner.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = |Stopped| ApplyError::Stopping;
        let known = self.call(|plane, _| plane.supplies()).map_err(stopped)?;
        let pools = apply::prepare(pools, &known, |spec| self.supply(spec), clock::now())?;
        for change in self.call(move |plane, now| plane.apply(pools, now)).map_err(stopped)? {
            tracing::info!(pool = change.pool, change = change.what, "pool");
        }
        Ok(())
    }

    fn supply(&self, spec: &SupplySpec) -> Result<Supply, SupplyError> {
        let Some(spec) = spec.spec() else { return Supply::kernel().map_err(SupplyError::NoMemory) };
        let bell = Arc::clone(&self.inner.bell);
        self.inner.sources.supply(spec, move || ring(&bell))
    }

    /// The sources of all pools.
    pub(crate) fn noise(&self) -> &Sources {
        &self.inner.sources
    }

    /// Gives a VM its leaf and its socket, and the path of that. When this returns, it listens.
    pub fn attach(&self, attach: AttachRequest) -> Result<PathBuf, AttachError> {
        let path = self.socket_path(&attach.id)?;
        self.attach_at(attach, || Listener::open(&path, self.inner.options.owner))?;
        Ok(path)
    }

    /// As [`attach`](Self::attach), with the socket in a directory that the caller made, opened and will remove; `path`
    /// is what it is called. It stays when the server ends: what is mounted from it goes on to be the directory of the
    /// server that comes next.
    pub fn attach_in(
        &self,
        attach: AttachRequest,
        directory: BorrowedFd,
        path: &Path,
    ) -> Result<PathBuf, AttachError> {
        // The id is a name here as well, though not one of a file.
        self.socket_path(&attach.id)?;
        self.attach_at(attach, || Listener::open_in(directory, path, self.inner.options.owner))?;
        Ok(path.join(SOCKET))
    }

    /// Gives a VM its leaf and a port of the loopback interface. When this returns, it listens.
    pub fn attach_tcp(&self, attach: AttachRequest, address: SocketAddr) -> Result<(), AttachError> {
        self.attach_at(attach, || Listener::tcp(address))
    }

    fn attach_at(
        &self,
        attach: AttachRequest,
        listen: impl FnOnce() -> Result<Listener, ListenError>,
    ) -> Result<(), AttachError> {
        let (id, namespace) = (attach.id.clone(), attach.namespace.clone());
        let vm = self.call_vm(move |plane, now| plane.admit(attach, now))?;
        // Off the loop's thread: a file system may take its time.
        let served = listen().map_err(AttachError::Listen).and_then(|listener| {
            let socket = listener.address().clone();
            self.call_vm(move |plane, _| plane.serve(vm, listener)).map(|()| socket)
        });
        match served {
            Ok(socket) => {
                tracing::info!(vm = id, namespace, %socket, "attached");
                Ok(())
            }
            Err(error) => {
                // If the loop has stopped, the VM has gone with it.
                let _ = self.call(move |plane, now| plane.detach(vm, now));
                Err(error)
            }
        }
    }

    /// The socket that a VM has or would have.
    pub fn socket_path(&self, id: &str) -> Result<PathBuf, AttachError> {
        socket_path(self.socket_dir(), id).map_err(AttachError::Path)
    }

    /// Where the VMs' directories are.
    pub fn socket_dir(&self) -> &Path {
        &self.inner.options.socket_dir
    }

    /// Ends a VM's connections and removes its socket.
    pub fn detach(&self, id: &str) -> Result<(), DetachError> {
        let name = id.to_owned();
        let gone = self.call(move |plane, now| plane.vm_named(&name).map(|vm| plane.detach(vm, now)));
        match gone {
            Ok(Some(listener)) => {
                drop(listener); // here, off the loop's thread
                tracing::info!(vm = id, "detached");
                Ok(())
            }
            Ok(None) => Err(DetachError::UnknownVm { id: id.to_owned() }),
            Err(Stopped) => Err(DetachError::Stopping),
        }
    }

    /// Moves a VM to another class of its pool (`""`: the default class), with its tokens and debt.
    pub fn move_vm(&self, id: &str, class: &str) -> Result<(), MoveError> {
        let (name, to) = (id.to_owned(), class.to_owned());
        self.call(move |plane, now| plane.move_vm(&name, &to, now)).unwrap_or(Err(MoveError::Stopping))?;
        tracing::info!(vm = id, class, "moved");
        Ok(())
    }

    /// All VMs of the process before are attached: what it noted of others is forgotten.
    pub fn discard_unclaimed(&self) {
        // One that has stopped needs nothing any more.
        let _ = self.call(|plane, _| plane.publish_state());
    }

    /// Stops serving, shows `hand` all VMs with their sockets, on the loop's thread, and ends or goes on as it says. For
    /// as long as that takes nobody is served.
    pub fn hand_over(
        &self,
        hand: impl FnOnce(Vec<VmState<BorrowedFd<'_>>>) -> HandoverOutcome + Send + 'static,
    ) -> Result<HandoverOutcome, Stopped> {
        self.call(move |plane, now| plane.hand_over(hand, now))
    }

    /// Gives VMs their places, for [`inherit`](Self::inherit), and gives those that cannot have one. Another process
    /// serves them.
    pub fn register_expected(
        &self,
        wanted: BTreeMap<String, AttachRequest>,
    ) -> Result<Vec<(String, AttachError)>, Stopped> {
        self.call(|plane, now| plane.expect(wanted, now))
    }

    /// Attaches the VMs that are expected with what another process left of them. That process has stopped and may go
    /// on, so nothing of it is changed before [`take_over`](Self::take_over).
    pub fn restore_connections(&self, left: Vec<VmState<OwnedFd>>) -> Result<(), Stopped> {
        let socket_dir = self.socket_dir().to_owned();
        self.call(move |plane, now| plane.inherit_all(left, &socket_dir, now))
    }

    /// The other process serves no more: from now on this one does. Who was left no socket gets one at its place; VMs
    /// whose place is elsewhere have to be attached anew, and are given.
    pub fn resume_serving(
        &self,
        places: &BTreeMap<String, ListenerLocation>,
    ) -> Result<Vec<String>, Stopped> {
        let mut elsewhere = Vec::new();
        for (vm, id) in self.call(|plane, _| plane.own())? {
            let opened = match places.get(&id) {
                Some(ListenerLocation::Elsewhere) => {
                    elsewhere.push(id);
                    continue;
                }
                Some(ListenerLocation::Port(port)) => Listener::tcp(*port).map_err(AttachError::Listen),
                None => self.socket_path(&id).and_then(|path| {
                    Listener::open(&path, self.inner.options.owner).map_err(AttachError::Listen)
                }),
            };
            let served = opened.and_then(|socket| self.call_vm(move |plane, _| plane.serve(vm, socket)));
            if let Err(error) = served {
                tracing::error!(vm = id, %error, "a VM has no socket");
            }
        }
        Ok(elsewhere)
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> Result<Snapshot, Stopped> {
        self.call(|plane, now| plane.snapshot(now))
    }

    /// Has the loop wipe all bytes that wait to be served.
    pub(crate) fn forget(&self) -> Result<(), Stopped> {
        self.call(DataPlane::forget)
    }

    /// Whether the loop still takes turns. It waits for one, for as long as that takes.
    pub fn responds(&self) -> bool {
        self.call(|_, _| ()).is_ok()
    }

    /// A file whose one byte is [`ASLEEP`](crate::ASLEEP) while the loop waits for something to do, for whoever wants to
    /// know that without waking it.
    pub fn heartbeat(&self) -> Option<BorrowedFd<'_>> {
        self.inner.seen.as_ref().map(AsFd::as_fd)
    }

    /// Begins to stop: accepts nobody, closes each connection once nothing is owed on it, and all that are left
    /// `within` that time. [`join`](Self::join) tells when it is done.
    pub fn drain(&self, within: Duration) {
        let within = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        // If it has stopped already, it has drained.
        let _ = self.call(move |plane, now| plane.drain(now.after(within), now));
    }

    /// Waits until the loop has ended and the sockets are gone.
    ///
    /// # Panics
    /// If the loop did.
    pub fn join(&self) {
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.join().expect("the loop ends by returning");
        }
    }

    /// Has `command` run by the loop's thread, between two batches, and waits for its answer.
    fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut DataPlane, Tick) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = sync_channel(1);
        let command: Command = Box::new(move |plane, now| {
            // Whoever asked waits for it; were it gone, nobody would.
            let _ = answer.send(command(plane, now));
        });
        self.inner.commands.as_ref().ok_or(Stopped)?.send(command).map_err(|_| Stopped)?;
        ring(&self.inner.bell);
        answered.recv().map_err(|_| Stopped)
    }

    fn call_vm<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut DataPlane, Tick) -> Result<T, AttachError> + Send + 'static,
    ) -> Result<T, AttachError> {
        self.call(command).unwrap_or(Err(AttachError::Stopping))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands = None;
        ring(&self.bell);
        // The sockets' files are gone when this returns. If the loop panicked, that has been told.
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = thread.map(JoinHandle::join);
    }
}

/// All pools that draw from more than the kernel, and how their sources stand.
#[derive(Clone, Debug)]
pub struct SourcesSnapshot {
    /// When it was taken, on the clock of all instants in it.
    pub now: Tick,
    /// By name.
    pub pools: Vec<PoolStatus>,
}

impl DataPlaneHandle {
    /// How the sources stand. The loop is not asked.
    pub fn sources(&self) -> SourcesSnapshot {
        let pools = self.noise().status();
        SourcesSnapshot { now: clock::now(), pools }
    }

    /// This host was cloned, or brought back from a snapshot: voids every byte that was made before and not served, forgets
    /// the state of all generators, and runs all start-up tests. Connections stay and wait.
    pub fn restart_tests(&self) {
        self.noise().restart_tests();
        // If the loop has stopped, its bytes have gone with it.
        let _ = self.forget();
    }

    /// Tests all sources of this name anew, `NAME` or `POOL/NAME`: also those that failed for good. How many that
    /// were.
    pub fn retest(&self, name: &str) -> usize {
        let tested = self.noise().retest(name);
        tracing::info!(source = name, sources = tested, "tested anew");
        tested
    }
}
