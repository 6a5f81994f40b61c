//! The handle by which other threads control the loop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use htb::Tick;
use source::{HealthStore, PoolStatus, Sources, Supply, SupplyError};

use crate::clock;
use crate::config::{AttachRequest, PoolConfig, SupplySpec};
use crate::core::{DataPlane, HandoverOutcome, Heartbeat, LoopCommand, StoredSockets, VmState, prepare, run};
use crate::descriptors::{Descriptors, raise_limit};
use crate::error::{ApplyError, AttachError, DetachError, MoveError};
use crate::listener::{ListenError, Listener, ListenerLocation, SOCKET, prepare_directory, socket_path};
use crate::options::{DataPlaneOptions, StartError, Stopped};
use crate::persist::{BucketStateFile, ReadBuffer, SessionFile};
use crate::poll::LoopWaker;
use crate::snapshot::DataPlaneSnapshot;
use crate::socket_store::SocketStoreLink;

/// Starts the loop's thread. It serves nothing before [`DataPlaneHandle::apply`] and [`DataPlaneHandle::attach`].
pub fn start(options: DataPlaneOptions) -> Result<DataPlaneHandle, StartError> {
    start_with_store(options, None)
}

/// The same, with a store for the sockets.
pub fn start_with_store(
    options: DataPlaneOptions,
    store: Option<SocketStoreLink>,
) -> Result<DataPlaneHandle, StartError> {
    prepare_directory(&options.socket_dir).map_err(StartError::SocketDirectory)?;
    let descriptors = Descriptors::within(raise_limit());
    let bucket_state_file = options.state_file.as_deref().map_or_else(BucketStateFile::default, |path| {
        BucketStateFile::open(path, max_records(descriptors.vms()))
    });
    let (heartbeat, heartbeat_file) = match Heartbeat::new() {
        Ok((heartbeat, file)) => (heartbeat, Some(file)),
        Err(error) => {
            tracing::warn!(%error, "failed to create the heartbeat file; the watchdog never sees the loop asleep");
            (Heartbeat::default(), None)
        }
    };
    let (store, buffer) = open_store(store, descriptors).map_err(|source| StartError::Poll { source })?;
    let data_plane = DataPlane::new(descriptors, bucket_state_file, heartbeat, store, options.paused)
        .map_err(|source| StartError::Poll { source })?;
    let waker = data_plane.waker();
    let (sender, commands) = channel();
    let thread = std::thread::Builder::new()
        .name("data-plane".to_owned())
        .spawn(move || run(data_plane, buffer, &commands))
        .map_err(|source| StartError::Thread { source })?;
    let inner = Inner {
        sources: Sources::new(options.permissions.clone(), || clock::now().0)
            .with_own_sockets(options.socket_dir.clone()),
        options,
        commands: Some(sender),
        waker,
        applying: Mutex::default(),
        heartbeat: heartbeat_file,
        thread: Mutex::new(Some(thread)),
    };
    Ok(DataPlaneHandle { inner: Arc::new(inner) })
}

/// The store, and where the loop reads to. Without a store, everything works, but all connections end with this process.
fn open_store(
    link: Option<SocketStoreLink>,
    descriptors: Descriptors,
) -> io::Result<(StoredSockets, ReadBuffer)> {
    let opened = link.map(|SocketStoreLink { mut store, left }| {
        let (sessions, left) = if let Some((file, left)) = left {
            (SessionFile::adopt(file, &left)?, left)
        } else {
            let sessions = SessionFile::create(max_records(descriptors.vms()))?;
            store.open(sessions.file())?;
            (sessions, Vec::new())
        };
        let buffer = sessions.read_buffer()?;
        io::Result::Ok((StoredSockets::new(store, sessions, left), buffer))
    });
    match opened.transpose() {
        Ok(Some(opened)) => return Ok(opened),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "sockets are not kept: a crash will close all connections"),
    }
    Ok((StoredSockets::default(), ReadBuffer::anonymous()?))
}

/// Enough for the VMs with their namespaces, and for the classes.
fn max_records(max_vms: u64) -> usize {
    usize::try_from(max_vms.saturating_mul(2).saturating_add(4096)).unwrap_or(usize::MAX)
}

/// A handle on the running loop. Its methods block until the loop has executed a command, so an async caller calls them
/// where blocking is allowed. The loop ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct DataPlaneHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: DataPlaneOptions,
    /// `None` only while it is dropped.
    commands: Option<Sender<LoopCommand>>,
    waker: LoopWaker,
    /// Held while a configuration is applied.
    applying: Mutex<()>,
    /// They fill the supplies of the loop, so they are dropped after it has ended.
    sources: Sources,
    heartbeat: Option<File>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Configuration and VMs.
impl DataPlaneHandle {
    /// Replaces the pools by these, all of them or none. A pool that is not among them accepts no new VM, and is removed
    /// with its last.
    pub fn apply(&self, pools: Vec<PoolConfig>) -> Result<(), ApplyError> {
        // One at a time: pools are prepared for the current ones.
        let _guard = self.inner.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = |Stopped| ApplyError::Stopping;
        let current = self.call(|data_plane, _| data_plane.supply_specs()).map_err(stopped)?;
        let pools = prepare(pools, &current, |spec| self.supply(spec), clock::now())?;
        let changes = self.call(move |data_plane, now| data_plane.apply(pools, now)).map_err(stopped)?;
        for change in changes {
            tracing::info!(pool = change.pool, change = change.change, "pool changed");
        }
        Ok(())
    }

    fn supply(&self, spec: &SupplySpec) -> Result<Supply, SupplyError> {
        let Some(spec) = spec.spec() else { return Supply::kernel().map_err(SupplyError::NoMemory) };
        let waker = self.inner.waker.clone();
        self.inner.sources.supply(spec, move || waker.wake())
    }

    /// Attaches a VM, and returns the path of its socket, which listens by then.
    pub fn attach(&self, attach: AttachRequest) -> Result<PathBuf, AttachError> {
        let path = self.socket_path(&attach.id)?;
        self.attach_at(attach, || Listener::open(&path, self.inner.options.owner))?;
        Ok(path)
    }

    /// As [`attach`](Self::attach), with the socket in a directory that the caller created, opened and will remove; `path`
    /// is its path. The directory is kept when the data plane ends, so that mounts of it are valid for the successor.
    pub fn attach_in(
        &self,
        attach: AttachRequest,
        directory: BorrowedFd,
        path: &Path,
    ) -> Result<PathBuf, AttachError> {
        // The id must be valid here too, though it names no file.
        self.socket_path(&attach.id)?;
        self.attach_at(attach, || Listener::open_in(directory, path, self.inner.options.owner))?;
        Ok(path.join(SOCKET))
    }

    /// Attaches a VM at a port of the loopback interface, which listens when this returns.
    pub fn attach_tcp(&self, attach: AttachRequest, address: SocketAddr) -> Result<(), AttachError> {
        self.attach_at(attach, || Listener::tcp(address))
    }

    fn attach_at(
        &self,
        attach: AttachRequest,
        listen: impl FnOnce() -> Result<Listener, ListenError>,
    ) -> Result<(), AttachError> {
        let (id, namespace) = (attach.id.clone(), attach.namespace.clone());
        let vm = self.call_attach(move |data_plane, now| data_plane.admit(attach, now))?;
        // Off the loop's thread, since a file system may be slow.
        let served = listen().map_err(AttachError::Listen).and_then(|listener| {
            let socket = listener.address().clone();
            self.call_attach(move |data_plane, _| data_plane.serve(vm, listener)).map(|()| socket)
        });
        match served {
            Ok(socket) => {
                tracing::info!(vm = id, namespace, %socket, "attached");
                Ok(())
            }
            Err(error) => {
                // If the loop has stopped, there is no VM to detach.
                let _ = self.call(move |data_plane, now| data_plane.detach(vm, now));
                Err(error)
            }
        }
    }

    /// The socket that a VM has or would have.
    pub fn socket_path(&self, id: &str) -> Result<PathBuf, AttachError> {
        socket_path(self.socket_dir(), id).map_err(AttachError::Path)
    }

    /// Parent of the VMs' directories.
    pub fn socket_dir(&self) -> &Path {
        &self.inner.options.socket_dir
    }

    /// Detaches a VM: closes its connections and removes its socket.
    pub fn detach(&self, id: &str) -> Result<(), DetachError> {
        let name = id.to_owned();
        let detached =
            self.call(move |data_plane, now| data_plane.vm_by_id(&name).map(|vm| data_plane.detach(vm, now)));
        match detached {
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
        self.call(move |data_plane, now| data_plane.move_vm(&name, &to, now))
            .unwrap_or(Err(MoveError::Stopping))?;
        tracing::info!(vm = id, class, "VM moved");
        Ok(())
    }

    pub fn snapshot(&self) -> Result<DataPlaneSnapshot, Stopped> {
        self.call(|data_plane, now| data_plane.snapshot(now))
    }
}

/// Restart and hand-over.
impl DataPlaneHandle {
    /// All VMs of the previous process are attached: its records of others are discarded.
    pub fn discard_unclaimed(&self) {
        // If the loop has stopped, there is nothing to discard.
        let _ = self.call(|data_plane, _| data_plane.publish_bucket_state());
    }

    /// Stops serving, passes all VMs with their sockets to `transfer`, on the loop's thread, and ends or resumes
    /// depending on the result. No VM is served in the meantime.
    pub fn hand_over(
        &self,
        transfer: impl FnOnce(Vec<VmState<BorrowedFd<'_>>>) -> HandoverOutcome + Send + 'static,
    ) -> Result<HandoverOutcome, Stopped> {
        self.call(move |data_plane, now| data_plane.hand_over(transfer, now))
    }

    /// Admits the VMs that [`restore_connections`](Self::restore_connections) is to restore, while the predecessor still
    /// serves them. Returns those that are refused.
    pub fn register_expected(
        &self,
        wanted: BTreeMap<String, AttachRequest>,
    ) -> Result<Vec<(String, AttachError)>, Stopped> {
        self.call(|data_plane, now| data_plane.register_expected(wanted, now))
    }

    /// Restores the expected VMs from what the predecessor transferred. The predecessor is paused and may still resume, so
    /// its sockets and files are not changed before [`resume_serving`](Self::resume_serving).
    pub fn restore_connections(&self, received: Vec<VmState<OwnedFd>>) -> Result<(), Stopped> {
        let socket_dir = self.socket_dir().to_owned();
        self.call(move |data_plane, now| data_plane.restore_connections(received, &socket_dir, now))
    }

    /// Starts to serve, after the predecessor has stopped. A VM without a socket gets a new one at its location. Returns
    /// the VMs with a socket in a directory of the caller, which have to be attached again.
    pub fn resume_serving(
        &self,
        locations: &BTreeMap<String, ListenerLocation>,
    ) -> Result<Vec<String>, Stopped> {
        let mut elsewhere = Vec::new();
        for (vm, id) in self.call(|data_plane, _| data_plane.resume_serving())? {
            let opened = match locations.get(&id) {
                Some(ListenerLocation::Elsewhere) => {
                    elsewhere.push(id);
                    continue;
                }
                Some(ListenerLocation::Port(port)) => Listener::tcp(*port).map_err(AttachError::Listen),
                None => self.socket_path(&id).and_then(|path| {
                    Listener::open(&path, self.inner.options.owner).map_err(AttachError::Listen)
                }),
            };
            let served = opened
                .and_then(|listener| self.call_attach(move |data_plane, _| data_plane.serve(vm, listener)));
            if let Err(error) = served {
                tracing::error!(vm = id, %error, "failed to create the socket of a VM");
            }
        }
        Ok(elsewhere)
    }

    /// Whether the loop still executes commands. Waits for one, however long that takes.
    pub fn responds(&self) -> bool {
        self.call(|_, _| ()).is_ok()
    }

    /// A file whose one byte is [`ASLEEP`](crate::ASLEEP) while the loop sleeps: for a watchdog that must not wake it.
    pub fn heartbeat(&self) -> Option<BorrowedFd<'_>> {
        self.inner.heartbeat.as_ref().map(AsFd::as_fd)
    }

    /// Begins to stop: accepts no connection, closes each once it is owed nothing, and the rest `within` that time.
    /// [`join`](Self::join) waits for the end.
    pub fn drain(&self, within: Duration) {
        let within = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        // If the loop has stopped, it has drained.
        let _ = self.call(move |data_plane, now| data_plane.drain(now.after(within), now));
    }

    /// Waits until the loop has ended and the sockets are removed.
    ///
    /// # Panics
    /// If the loop panicked.
    pub fn join(&self) {
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.join().expect("the loop ends by returning");
        }
    }

    /// Has the loop's thread run `command` between two batches, and waits for its result.
    fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut DataPlane, Tick) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, result) = sync_channel(1);
        let command: LoopCommand = Box::new(move |data_plane, now| {
            // The caller waits, so the receiver exists.
            let _ = sender.send(command(data_plane, now));
        });
        self.inner.commands.as_ref().ok_or(Stopped)?.send(command).map_err(|_| Stopped)?;
        self.inner.waker.wake();
        result.recv().map_err(|_| Stopped)
    }

    fn call_attach<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut DataPlane, Tick) -> Result<T, AttachError> + Send + 'static,
    ) -> Result<T, AttachError> {
        self.call(command).unwrap_or(Err(AttachError::Stopping))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands = None;
        self.waker.wake();
        // The sockets' files are removed when this returns. If the loop panicked, that was reported.
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = thread.map(JoinHandle::join);
    }
}

/// The sources of all pools that do not draw from the kernel.
#[derive(Clone, Debug)]
pub struct SourcesSnapshot {
    /// When it was taken, on the clock of all instants in it.
    pub now: Tick,
    /// The same in seconds of Unix time.
    pub wall: u64,
    /// By name.
    pub pools: Vec<PoolStatus>,
    /// Whether the kernel's generator is seeded, from which all other pools draw.
    pub kernel_seeded: bool,
}

/// Sources.
impl DataPlaneHandle {
    /// The state of the sources, without a call to the loop.
    pub fn sources(&self) -> SourcesSnapshot {
        let pools = self.inner.sources.status();
        let kernel_seeded = self.inner.sources.is_kernel_seeded();
        SourcesSnapshot { now: clock::now(), wall: clock::wall(), pools, kernel_seeded }
    }

    /// Restores the health of the sources from `store`, and stores it there from now on. To be called before the first
    /// [`apply`](Self::apply).
    pub fn store_source_health(&self, store: Box<dyn HealthStore>) {
        self.inner.sources.store_health(store, clock::wall);
    }

    /// Adopts what the process that served until now has stored since.
    pub fn reload_source_health(&self) {
        self.inner.sources.reload_health();
    }

    /// As [`restart_tests`](Self::restart_tests), but the health of no source changes: the host may have been cloned, and
    /// probably was not.
    pub fn discard_made(&self) {
        self.inner.sources.discard_made();
        // If the loop has stopped, its bytes are wiped.
        let _ = self.call(DataPlane::discard_buffered);
    }

    /// After the host was cloned or restored from a snapshot: discards all bytes generated before and not served, and the
    /// state of all generators, and runs all start-up tests. Connections stay open and wait.
    pub fn restart_tests(&self) {
        self.inner.sources.restart_tests();
        // If the loop has stopped, its bytes are wiped.
        let _ = self.call(DataPlane::discard_buffered);
    }

    /// Runs the start-up tests of all sources of this name, `NAME` or `POOL/NAME`, including those that failed for good.
    /// Returns how many there are.
    pub fn retest(&self, name: &str) -> usize {
        let tested = self.inner.sources.retest(name);
        tracing::info!(source = name, sources = tested, "restarted the tests of sources");
        tested
    }
}
