//! The state of a hand-over as it is sent: a protobuf message and the sockets that it refers to.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use dataplane::{ConnectionState, ListenerFile, VmState};
use egd::{Demand, QueuedReply, SessionCounters, SessionSnapshot};
use htb::Tick;
use proto::handover as wire;
use rustix::fs::fstat;

use crate::attachments::ServedTotals;
use crate::unix_socket::BoundSocket;

/// What a process has beside its VMs: the sockets at fixed paths, and more.
#[derive(Debug, Default)]
pub struct OwnState {
    pub api: Option<BoundSocket>,
    /// At which the kubelet finds the CSI driver.
    pub registration: Option<BoundSocket>,
    pub driver: Option<BoundSocket>,
    /// The locks of its directories.
    pub locks: Vec<OwnedFd>,
    /// What was served in total; `None` if unknown.
    pub served: Option<ServedTotals>,
}

/// What a successor receives.
#[derive(Debug)]
pub struct HandoverState {
    pub vms: Vec<VmState<OwnedFd>>,
    pub own: OwnState,
    /// When the predecessor stopped serving.
    pub stopped: Tick,
}

/// Identifies a socket in both processes.
fn socket_id(socket: impl AsFd) -> u64 {
    // No socket has the inode 0: one that cannot be identified is not handed over.
    fstat(socket).map_or(0, |found| found.st_ino)
}

/// The message, and the sockets it refers to.
pub(super) fn pack<'a>(
    vms: &'a [VmState<BorrowedFd<'a>>],
    own: &'a OwnState,
) -> (wire::HandoverState, Vec<BorrowedFd<'a>>) {
    let OwnState { api, registration, driver, served, .. } = own;
    let mut sockets: Vec<_> =
        [api, registration, driver].into_iter().flatten().map(|(socket, _)| socket.as_fd()).collect();
    for vm in vms {
        sockets.extend(vm.listener);
        sockets.extend(vm.connections.iter().map(|connection| connection.socket));
    }
    let bound = |bound: &Option<BoundSocket>| bound.as_ref().map(|(socket, file)| listener(socket, *file));
    let state = wire::HandoverState {
        vms: vms.iter().map(vm).collect(),
        stopped: dataplane::now().0,
        api: bound(api),
        registration: bound(registration),
        driver: bound(driver),
        served: served.as_ref().and_then(|served| serde_json::to_vec(served).ok()).unwrap_or_default(),
    };
    (state, sockets)
}

/// The reverse of [`pack`]. A socket that was not received counts as closed.
pub(super) fn unpack(state: wire::HandoverState, sockets: Vec<OwnedFd>) -> HandoverState {
    let mut sockets: HashMap<u64, OwnedFd> =
        sockets.into_iter().map(|socket| (socket_id(&socket), socket)).collect();
    let mut bound = |listener: Option<wire::Listener>| {
        listener.and_then(|listener| Some((sockets.remove(&listener.socket)?, file(&listener))))
    };
    let own = OwnState {
        api: bound(state.api),
        registration: bound(state.registration),
        driver: bound(state.driver),
        locks: Vec::new(),
        // A predecessor of an earlier version sends none.
        served: serde_json::from_slice(&state.served).ok(),
    };
    let vms = state.vms.into_iter().map(|vm| unpack_vm(vm, &mut sockets)).collect();
    HandoverState { vms, own, stopped: Tick(state.stopped) }
}

fn listener(socket: impl AsFd, file: (u64, u64)) -> wire::Listener {
    listener_message(socket_id(socket), &ListenerFile { file, elsewhere: None })
}

/// The message that describes the file of a listening socket.
pub(crate) fn listener_message(socket: u64, file: &ListenerFile) -> wire::Listener {
    let (file_device, file_inode) = file.file;
    let path = file.elsewhere.as_ref().map(|path| path.as_os_str().as_bytes().to_vec());
    wire::Listener { socket, file_device, file_inode, path: path.unwrap_or_default() }
}

/// The reverse of [`listener_message`].
pub(crate) fn listener_file(listener: &wire::Listener) -> ListenerFile {
    ListenerFile { file: file(listener), elsewhere: elsewhere(listener) }
}

fn listener_of(vm: &VmState<BorrowedFd<'_>>) -> Option<wire::Listener> {
    let file = ListenerFile { file: vm.file, elsewhere: vm.elsewhere.clone() };
    vm.listener.map(|socket| listener_message(socket_id(socket), &file))
}

fn file(listener: &wire::Listener) -> (u64, u64) {
    (listener.file_device, listener.file_inode)
}

/// The path of a socket outside the socket directory.
fn elsewhere(listener: &wire::Listener) -> Option<PathBuf> {
    let path = OsStr::from_bytes(&listener.path);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn vm(vm: &VmState<BorrowedFd<'_>>) -> wire::Vm {
    wire::Vm {
        id: vm.id.clone(),
        listener: listener_of(vm),
        connections: vm.connections.iter().map(connection).collect(),
        asked_before: Some(counters(vm.asked_before)),
        bytes: vm.bytes.unwrap_or_default(),
        unsolicited: vm.unsolicited,
        credit_again: vm.credit_again.0,
    }
}

fn unpack_vm(vm: wire::Vm, sockets: &mut HashMap<u64, OwnedFd>) -> VmState<OwnedFd> {
    VmState {
        file: vm.listener.as_ref().map_or((0, 0), file),
        elsewhere: vm.listener.as_ref().and_then(elsewhere),
        listener_record: None,
        listener: vm.listener.and_then(|listener| sockets.remove(&listener.socket)),
        connections: vm
            .connections
            .into_iter()
            .filter_map(|connection| {
                let socket = sockets.remove(&connection.socket)?;
                Some(unpack_connection(connection, socket))
            })
            .collect(),
        asked_before: vm.asked_before.map(unpack_counters).unwrap_or_default(),
        bytes: Some(vm.bytes),
        unsolicited: vm.unsolicited,
        credit_again: Tick(vm.credit_again),
        id: vm.id,
    }
}

fn connection(state: &ConnectionState<BorrowedFd<'_>>) -> wire::Connection {
    let session = &state.session;
    wire::Connection {
        socket: socket_id(state.socket),
        partial: session.partial.clone(),
        requests: session.requests.iter().map(|(demand, count)| request(*demand, *count)).collect(),
        replies: session.replies.iter().map(reply).collect(),
        asked: Some(counters(session.counters)),
        other_commands: session.other_commands,
        ended: state.ended,
        push: state.push.map(|(due, credit)| wire::Push { due: due.0, credit }),
    }
}

fn unpack_connection(state: wire::Connection, socket: OwnedFd) -> ConnectionState<OwnedFd> {
    let session = SessionSnapshot {
        partial: state.partial,
        requests: state.requests.iter().map(unpack_request).collect(),
        replies: state.replies.into_iter().filter_map(unpack_reply).collect(),
        counters: state.asked.map(unpack_counters).unwrap_or_default(),
        other_commands: state.other_commands,
    };
    let push = state.push.map(|push| (Tick(push.due), push.credit));
    ConnectionState { socket, session, ended: state.ended, push, record: None }
}

fn request(demand: Demand, count: u64) -> wire::Request {
    let (command, bytes) = match demand {
        Demand::None => (u32::MAX, 0),
        Demand::Level => (0, 0),
        Demand::NonBlocking(bytes) => (1, u64::from(bytes)),
        Demand::Blocking(bytes) => (2, bytes),
        Demand::Pid => (4, 0),
    };
    wire::Request { command, bytes, count }
}

/// An unknown request becomes `Demand::None`, which no session accepts: the connection is closed.
fn unpack_request(request: &wire::Request) -> (Demand, u64) {
    let demand = match request.command {
        0 => Demand::Level,
        1 => u8::try_from(request.bytes).map_or(Demand::None, Demand::NonBlocking),
        2 => Demand::Blocking(request.bytes),
        4 => Demand::Pid,
        _ => Demand::None,
    };
    (demand, request.count)
}

fn reply(reply: &QueuedReply) -> wire::Reply {
    use wire::reply::Reply as Wire;
    let reply = match reply {
        QueuedReply::Literal(bytes) => Wire::Literal(bytes.clone()),
        QueuedReply::Random(count) => Wire::Random(*count),
    };
    wire::Reply { reply: Some(reply) }
}

fn unpack_reply(reply: wire::Reply) -> Option<QueuedReply> {
    use wire::reply::Reply as Wire;
    reply.reply.map(|reply| match reply {
        Wire::Literal(bytes) => QueuedReply::Literal(bytes),
        Wire::Random(count) => QueuedReply::Random(count),
    })
}

fn counters(asked: SessionCounters) -> wire::Counters {
    let SessionCounters { level, non_blocking, blocking, write, pid, discarded, saturations } = asked;
    wire::Counters { level, non_blocking, blocking, write, pid, discarded, saturations }
}

fn unpack_counters(asked: wire::Counters) -> SessionCounters {
    let wire::Counters { level, non_blocking, blocking, write, pid, discarded, saturations } = asked;
    SessionCounters { level, non_blocking, blocking, write, pid, discarded, saturations }
}
