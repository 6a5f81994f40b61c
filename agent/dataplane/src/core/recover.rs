//! What a process that died leaves: its sockets from the store, and its sessions from the session file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use htb::Tick;
use rustix::net::{Shutdown, shutdown};

use super::handover::{ConnectionState, VmState};
use crate::clock;
use crate::persist::{LeftSession, LeftSessions};
use crate::socket_store::{ListenerFile, StoredSocket};

/// The VMs of a process that died, as a predecessor would have transferred them. A connection that cannot be continued is
/// closed.
pub fn recover(sessions: &File, sockets: Vec<StoredSocket<OwnedFd>>) -> io::Result<Vec<VmState<OwnedFd>>> {
    let left = LeftSessions::read(sessions)?;
    let (now, mut closed) = (clock::now(), 0);
    let mut vms: BTreeMap<String, VmState<OwnedFd>> = BTreeMap::new();
    for StoredSocket { number, vm, listener, socket } in sockets {
        let state = vms.entry(vm.clone()).or_insert_with(|| VmState::without_sockets(vm));
        match listener {
            Some(ListenerFile { file, elsewhere }) => {
                (state.file, state.elsewhere) = (file, elsewhere);
                (state.listener, state.listener_record) = (Some(socket), Some(number));
            }
            None => match connection(&left, number, socket, now) {
                Some(connection) => state.connections.push(connection),
                None => closed += 1,
            },
        }
    }
    if closed > 0 {
        tracing::warn!(connections = closed, "what these connections are owed is not known; closing them");
    }
    Ok(vms.into_values().collect())
}

fn connection(
    left: &LeftSessions,
    number: u32,
    socket: OwnedFd,
    now: Tick,
) -> Option<ConnectionState<OwnedFd>> {
    let Some(LeftSession { snapshot, silent }) = left.session(number) else {
        // The store has a copy of it.
        let _ = shutdown(&socket, Shutdown::Both);
        return None;
    };
    // A QEMU that has sent nothing yet may have lost its request with an earlier process.
    let push = silent.then_some((now, 0));
    Some(ConnectionState { socket, session: snapshot, ended: false, push, record: Some(number) })
}

impl VmState<OwnedFd> {
    fn without_sockets(id: String) -> Self {
        Self {
            id,
            listener: None,
            listener_record: None,
            file: (0, 0),
            elsewhere: None,
            connections: Vec::new(),
            asked_before: egd::SessionCounters::default(),
            bytes: None,
            unsolicited: 0,
            credit_again: Tick(0),
        }
    }
}
