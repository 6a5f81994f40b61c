//! An estate as it travels.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use dataplane::{ConnectionState, VmState};
use egd::{Counters, Demand, QueuedReply, SessionSnapshot};
use htb::Tick;
use proto::handover as wire;
use rustix::fs::fstat;

/// A listening socket, with the device and inode of its file.
pub type Bound = (OwnedFd, (u64, u64));

/// The sockets at fixed paths.
#[derive(Debug, Default)]
pub struct Sockets {
    /// The local API's.
    pub api: Option<Bound>,
    /// By which a kubelet finds the CSI driver.
    pub registration: Option<Bound>,
    /// The CSI driver's.
    pub driver: Option<Bound>,
}

/// What a successor gets.
#[derive(Debug)]
pub struct HandoverState {
    /// The VMs with their sockets.
    pub vms: Vec<VmState<OwnedFd>>,
    /// The other sockets.
    pub sockets: Sockets,
    /// Since when nobody is served.
    pub stopped: Tick,
}

/// The name of a socket, in both processes.
fn name(socket: impl AsFd) -> u64 {
    // Zero is nobody's, and what cannot be named is not handed over.
    fstat(socket).map_or(0, |found| found.st_ino)
}

/// The message, and the sockets to go with it.
pub(super) fn pack<'a>(
    vms: &'a [VmState<BorrowedFd<'a>>],
    own: &'a Sockets,
) -> (wire::HandoverState, Vec<BorrowedFd<'a>>) {
    let Sockets { api, registration, driver } = own;
    let mut sockets: Vec<_> =
        [api, registration, driver].into_iter().flatten().map(|(socket, _)| socket.as_fd()).collect();
    for vm in vms {
        sockets.extend(vm.listener);
        sockets.extend(vm.connections.iter().map(|connection| connection.socket));
    }
    let bound = |bound: &Option<Bound>| bound.as_ref().map(|(socket, file)| listener(socket, *file));
    let estate = wire::HandoverState {
        vms: vms.iter().map(vm).collect(),
        stopped: dataplane::now().0,
        api: bound(api),
        registration: bound(registration),
        driver: bound(driver),
    };
    (estate, sockets)
}

/// The estate again. A socket that did not come is one that is gone.
pub(super) fn unpack(estate: wire::HandoverState, sockets: Vec<OwnedFd>) -> HandoverState {
    let mut sockets: HashMap<u64, OwnedFd> =
        sockets.into_iter().map(|socket| (name(&socket), socket)).collect();
    let mut bound = |listener: Option<wire::Listener>| {
        listener.and_then(|listener| Some((sockets.remove(&listener.socket)?, file(&listener))))
    };
    let own = Sockets {
        api: bound(estate.api),
        registration: bound(estate.registration),
        driver: bound(estate.driver),
    };
    let vms = estate.vms.into_iter().map(|vm| unpack_vm(vm, &mut sockets)).collect();
    HandoverState { vms, sockets: own, stopped: Tick(estate.stopped) }
}

fn listener(socket: impl AsFd, (file_device, file_inode): (u64, u64)) -> wire::Listener {
    wire::Listener { socket: name(socket), file_device, file_inode, path: Vec::new() }
}

fn listener_of(vm: &VmState<BorrowedFd<'_>>) -> Option<wire::Listener> {
    let path = vm.elsewhere.as_ref().map(|path| path.as_os_str().as_bytes().to_vec());
    vm.listener.map(|socket| wire::Listener { path: path.unwrap_or_default(), ..listener(socket, vm.file) })
}

fn file(listener: &wire::Listener) -> (u64, u64) {
    (listener.file_device, listener.file_inode)
}

/// The path of a socket that is in a directory of somebody else's.
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
        bytes: vm.bytes,
        unsolicited: vm.unsolicited,
        credit_again: vm.credit_again.0,
    }
}

fn unpack_vm(vm: wire::Vm, sockets: &mut HashMap<u64, OwnedFd>) -> VmState<OwnedFd> {
    VmState {
        file: vm.listener.as_ref().map_or((0, 0), file),
        elsewhere: vm.listener.as_ref().and_then(elsewhere),
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
        bytes: vm.bytes,
        unsolicited: vm.unsolicited,
        credit_again: Tick(vm.credit_again),
        id: vm.id,
    }
}

fn connection(left: &ConnectionState<BorrowedFd<'_>>) -> wire::Connection {
    let session = &left.session;
    wire::Connection {
        socket: name(left.socket),
        partial: session.partial.clone(),
        requests: session.requests.iter().map(|(demand, count)| request(*demand, *count)).collect(),
        replies: session.replies.iter().map(reply).collect(),
        asked: Some(counters(session.counters)),
        other_commands: session.other_commands,
        ended: left.ended,
        push: left.push.map(|(due, credit)| wire::Push { due: due.0, credit }),
    }
}

fn unpack_connection(left: wire::Connection, socket: OwnedFd) -> ConnectionState<OwnedFd> {
    let session = SessionSnapshot {
        partial: left.partial,
        requests: left.requests.iter().map(unpack_request).collect(),
        replies: left.replies.into_iter().filter_map(unpack_reply).collect(),
        counters: left.asked.map(unpack_counters).unwrap_or_default(),
        other_commands: left.other_commands,
    };
    let push = left.push.map(|push| (Tick(push.due), push.credit));
    ConnectionState { socket, session, ended: left.ended, push }
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

/// What this version does not know becomes no demand, which no session takes: that connection is closed.
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

fn counters(asked: Counters) -> wire::Counters {
    let Counters { level, non_blocking, blocking, write, pid, discarded, saturations } = asked;
    wire::Counters { level, non_blocking, blocking, write, pid, discarded, saturations }
}

fn unpack_counters(asked: wire::Counters) -> Counters {
    let wire::Counters { level, non_blocking, blocking, write, pid, discarded, saturations } = asked;
    Counters { level, non_blocking, blocking, write, pid, discarded, saturations }
}
