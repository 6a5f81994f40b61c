//! Attaching, detaching, configuring, draining.

use std::io::{Read, Write};
use std::time::Duration;

use entropool_dataplane::{AllowedNamespaces, ApplyError, AttachError, AttachRequest, Client};
use htb::Rate;

use crate::rig::{Rig, UNBOUND, class, connect, exchange, is_closed, pool, silent, vm};

#[test]
fn a_fifth_connection_of_a_qemu_closes_the_oldest_though_it_waits() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1))]));
    rig.data_plane.attach(AttachRequest { client: Client::Qemu, ..vm("vm") }).unwrap();
    let mut first = rig.connect("vm");
    first.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("its debts", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    let mut others: Vec<_> = (0..4).map(|_| rig.connect("vm")).collect();
    for socket in &mut others {
        socket.write_all(&[2, 255]).unwrap();
    }
    assert!(is_closed(&mut first));
    rig.until("all requests", |snapshot| snapshot.pools[0].vms[0].asked.blocking == 104);
    assert_eq!(rig.vm("vm").connections, 4);
}

#[test]
fn a_new_connection_replaces_one_that_waits_for_nothing_or_waits_itself() {
    let mut setup = pool("default", UNBOUND, vec![class("slow", Rate(1))]);
    setup.class_connections.insert("slow".into(), 40);
    let rig = Rig::new(setup);
    let mut spender = rig.client("vm");
    spender.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("an empty bucket", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    drop(spender);
    rig.until("its close", |snapshot| snapshot.pools[0].vms[0].connections == 0);
    let mut all: Vec<_> = (0..40).map(|_| rig.connect("vm")).collect();
    // All of them wait for their answers, but for one.
    for socket in &mut all[1..] {
        socket.write_all(&[2, 255]).unwrap();
    }
    rig.until("all of them", |snapshot| snapshot.pools[0].vms[0].asked.blocking == 139);
    let mut more = rig.connect("vm");
    more.write_all(&[2, 255]).unwrap();
    assert!(is_closed(&mut all[0]));
    rig.until("its request", |snapshot| snapshot.pools[0].vms[0].asked.blocking == 140);
    let mut late = rig.connect("vm");
    late.write_all(&[2, 255]).unwrap();
    assert!(silent(&late, Duration::from_millis(300)));
    let full = rig.vm("vm");
    assert_eq!((full.connections, full.limit_hits.replaced, full.asked.blocking), (40, 1, 140));
    drop(more);
    rig.until("its turn", |snapshot| snapshot.pools[0].vms[0].asked.blocking == 141);
    assert_eq!(rig.vm("vm").limit_hits.replaced, 1);
}

#[test]
fn a_class_says_how_many_connections_its_vms_have_and_an_edit_closes_none_that_waits() {
    let with = |connections| {
        let mut setup = pool("default", UNBOUND, vec![class("slow", Rate(1))]);
        setup.class_connections.insert("slow".into(), connections);
        setup
    };
    let rig = Rig::new(with(100));
    rig.attach("vm");
    let mut waiting: Vec<_> = (0..60).map(|_| rig.connect("vm")).collect();
    for socket in &mut waiting {
        socket.write_all(&[2, 255].repeat(100)).unwrap();
    }
    rig.until("all requests", |snapshot| snapshot.pools[0].vms[0].asked.blocking == 6000);
    let mut idle: Vec<_> = (0..40).map(|_| rig.connect("vm")).collect();
    rig.until("a hundred", |snapshot| snapshot.pools[0].vms[0].connections == 100);
    // All at once: the burst is as large as their number.
    assert_eq!((rig.vm("vm").limit_hits.delayed, rig.vm("vm").limit_hits.replaced), (0, 0));

    rig.data_plane.apply(vec![with(62)]).unwrap();
    assert_eq!(rig.vm("vm").connections, 100, "an edit closes nothing by itself");
    let mut more = rig.connect("vm");
    more.write_all(&[2, 255]).unwrap();
    rig.until("its request", |snapshot| snapshot.pools[0].vms[0].asked.blocking == 6001);
    assert_eq!((rig.vm("vm").connections, rig.vm("vm").limit_hits.replaced), (62, 39));
    assert!(idle[..39].iter_mut().all(is_closed));
    rig.data_plane.apply(vec![with(10)]).unwrap();
    let mut late = rig.connect("vm");
    late.write_all(&[2, 255]).unwrap();
    assert!(silent(&late, Duration::from_millis(300)));
    assert_eq!((rig.vm("vm").connections, rig.vm("vm").limit_hits.replaced), (62, 39));
    for socket in &mut waiting {
        socket.set_nonblocking(true).unwrap();
        let end = std::iter::repeat_with(|| socket.read(&mut [0; 255])).find(|read| !matches!(read, Ok(1..)));
        assert_eq!(
            end.unwrap().unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "none that waits is closed"
        );
    }
}

#[test]
fn the_oldest_of_many_connections_that_wait_for_nothing_is_replaced() {
    let rig = Rig::unbound();
    rig.data_plane.attach(AttachRequest { client: Client::Qemu, ..vm("vm") }).unwrap();
    let mut first = rig.connect("vm");
    exchange(&mut first, &[2, 1], 1);
    let mut others: Vec<_> = (0..4).map(|_| rig.connect("vm")).collect();
    for socket in &mut others {
        exchange(socket, &[2, 1], 1);
    }
    assert!(is_closed(&mut first));
    let snapshot = rig.snapshot();
    assert_eq!((snapshot.counters.closed.replaced, snapshot.pools[0].vms[0].connections), (1, 4));
    assert_eq!(snapshot.pools[0].vms[0].asked.blocking, 5);
}

#[test]
fn closing_a_connection_withdraws_its_demand() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1))]));
    let mut socket = rig.client("vm");
    socket.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("its demand", |snapshot| snapshot.pools[0].vms[0].owed > 0);
    drop(socket);
    let after = rig.until("its close", |snapshot| snapshot.pools[0].vms[0].connections == 0);
    assert_eq!((after.pools[0].vms[0].owed, after.pools[0].vms[0].node.stats.backlog), (0, 0));
    assert_eq!(after.counters.closed.ended, 1);
}

#[test]
fn detach_closes_the_connections_and_removes_the_socket() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    let mut other = rig.client("other");
    let path = rig.data_plane.socket_path("vm").unwrap();
    exchange(&mut socket, &[2, 1], 1);
    rig.data_plane.detach("vm").unwrap();
    assert!(is_closed(&mut socket));
    assert!(!path.exists() && !path.parent().unwrap().exists());
    exchange(&mut other, &[2, 64], 64);
    assert_eq!(rig.data_plane.detach("vm").unwrap_err().to_string(), "there is no VM vm on this host");
    exchange(&mut rig.client("vm"), &[2, 64], 64);
}

#[test]
fn detaching_a_waiting_vm_withdraws_its_demand() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1))]));
    let mut socket = rig.client("vm");
    socket.write_all(&[2, 255].repeat(100)).unwrap();
    rig.until("its demand", |snapshot| snapshot.pools[0].vms[0].waiting.is_some());
    rig.data_plane.detach("vm").unwrap();
    let after = rig.snapshot();
    assert_eq!((after.pools[0].vms.len(), after.pools[0].node.stats.backlog), (0, 0));
}

#[test]
fn attach_errors_name_cause_and_alternatives() {
    let mut gold = class("gold", UNBOUND);
    gold.max_vms = Some(1);
    let mut setup = pool("default", UNBOUND, vec![class("shared", UNBOUND), gold]);
    setup.namespaces = AllowedNamespaces::Only(["default".to_owned(), "poor".to_owned()].into());
    setup.class_namespaces.insert("gold".into(), AllowedNamespaces::Only(["default".to_owned()].into()));
    let rig = Rig::new(setup);
    let refused = |id: &str, namespace: &str, pool: &str, class: Option<&str>| {
        let mut attach = vm(id);
        (attach.namespace, attach.pool) = (namespace.into(), pool.into());
        attach.class = class.map(str::to_owned);
        let error = rig.data_plane.attach(attach).unwrap_err();
        (error.reason(), error.to_string())
    };
    rig.attach("a");
    let mut first = vm("gold-1");
    first.class = Some("gold".into());
    rig.data_plane.attach(first).unwrap();
    let (reason, text) = refused("a", "default", "default", None);
    assert_eq!((reason, text.contains("VM a is attached already")), ("AlreadyAttached", true));
    let (reason, text) = refused("b", "default", "none", None);
    assert_eq!(
        (reason, text.as_str()),
        ("UnknownPool", "there is no pool none on this host; available: default")
    );
    let (reason, text) = refused("b", "default", "default", Some("silver"));
    assert_eq!(
        (reason, text.as_str()),
        ("UnknownClass", "pool default has no class silver; it has gold, shared")
    );
    let (reason, text) = refused("b", "default", "default", Some("gold"));
    assert_eq!((reason, text.as_str()), ("ClassFull", "class gold has 1 of 1 VMs on this host"));
    let (reason, text) = refused("b", "poor", "default", Some("gold"));
    assert_eq!(
        (reason, text.contains("namespace poor may not use class gold")),
        ("NamespaceNotAllowed", true)
    );
    let (reason, text) = refused("b", "foreign", "default", None);
    assert_eq!(
        (reason, text.contains("namespace foreign may not use pool default")),
        ("NamespaceNotAllowed", true)
    );
    assert_eq!(refused("../b", "default", "default", None).0, "InvalidVmName");
    assert_eq!(rig.snapshot().pools[0].vms.len(), 2);
}

#[test]
fn a_move_is_authorised_as_an_attach_is() {
    let mut setup = pool("default", UNBOUND, vec![class("shared", UNBOUND), class("gold", UNBOUND)]);
    setup.class_namespaces.insert("gold".into(), AllowedNamespaces::Only(["rich".to_owned()].into()));
    let rig = Rig::new(setup);
    rig.attach("vm");
    let reason = |id, class| rig.data_plane.move_vm(id, class).unwrap_err().reason();
    assert_eq!(reason("vm", "gold"), "NamespaceNotAllowed");
    assert_eq!(reason("vm", "silver"), "UnknownClass");
    assert_eq!(reason("none", "shared"), "UnknownVm");
    assert_eq!(rig.vm("vm").class, "shared");
}

#[test]
fn a_deleted_pool_keeps_its_vms_and_accepts_no_new_one() {
    let rig = Rig::unbound();
    let mut socket = rig.client("vm");
    rig.data_plane.apply(vec![pool("second", UNBOUND, vec![class("shared", UNBOUND)])]).unwrap();
    exchange(&mut socket, &[2, 64], 64);
    let names = |closed| {
        let pools = rig.snapshot().pools.into_iter();
        pools.filter(|pool| pool.closed == closed).map(|pool| pool.name).collect::<Vec<_>>()
    };
    assert_eq!((names(true), names(false)), (vec!["default".to_owned()], vec!["second".to_owned()]));
    assert!(matches!(rig.data_plane.attach(vm("new")), Err(AttachError::DeletedPool { .. })));
    rig.data_plane.detach("vm").unwrap();
    assert_eq!(names(true), [""; 0]);
}

#[test]
fn a_configuration_is_applied_as_a_whole_or_not_at_all() {
    let rig = Rig::unbound();
    let mut broken = pool("broken", UNBOUND, vec![class("a", UNBOUND)]);
    broken.params.default_class = "b".into();
    let changed = pool("default", Rate(1), vec![class("other", UNBOUND)]);
    let before = rig.snapshot().pools;
    let error = rig.data_plane.apply(vec![changed.clone(), broken]).unwrap_err();
    assert!(matches!(&error, ApplyError::Configure { pool, .. } if pool == "broken"), "{error}");
    let error = rig.data_plane.apply(vec![changed.clone(), changed]).unwrap_err();
    assert_eq!(error.to_string(), "there are two pools default");
    let after = rig.snapshot().pools;
    assert_eq!((after[0].node.params, after.len()), (before[0].node.params, before.len()));
}

#[test]
fn draining_serves_what_is_owed_and_then_closes() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate::per_second(2550))]));
    let path = rig.attach("vm");
    let mut socket = connect(&path);
    let mut idle = connect(&path);
    exchange(&mut idle, &[4], 2);
    socket.write_all(&[2, 255].repeat(6)).unwrap();
    socket.read_exact(&mut [0; 5 * 255]).unwrap();
    rig.data_plane.drain(Duration::from_secs(10));
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 255);
    assert!(is_closed(&mut idle));
    rig.data_plane.join();
    assert!(!path.exists() && !path.parent().unwrap().exists());
    assert!(rig.data_plane.snapshot().is_err());
    assert!(matches!(rig.data_plane.attach(vm("late")), Err(AttachError::Stopping)));
}

#[test]
fn draining_ends_at_its_deadline_though_more_is_owed() {
    let rig = Rig::new(pool("default", UNBOUND, vec![class("slow", Rate(1))]));
    let mut socket = rig.client("vm");
    socket.write_all(&[2, 255].repeat(100)).unwrap();
    rig.data_plane.drain(Duration::from_millis(50));
    rig.data_plane.join();
    assert!(is_closed(&mut socket));
}

#[test]
fn dropping_the_last_handle_stops_the_data_plane() {
    let Rig { data_plane, dir } = Rig::unbound();
    let path = data_plane.attach(vm("vm")).unwrap();
    let mut socket = connect(&path);
    exchange(&mut socket, &[2, 1], 1);
    drop(data_plane);
    assert!(!path.exists());
    assert!(is_closed(&mut socket));
    drop(dir);
}

#[test]
fn a_peer_that_does_not_read_affects_no_other() {
    let rig = Rig::unbound();
    let mut blocked = rig.client("blocked");
    let mut other = rig.client("other");
    blocked.write_all(&[2, 255].repeat(1000)).unwrap();
    let full = rig.until("a full buffer", |snapshot| snapshot.pools[0].vms[0].blocked == 1);
    let granted = full.pools[0].vms[0].node.stats.bytes;
    assert!(granted < 16 << 10, "{granted} bytes were granted to a peer that reads none");
    for _ in 0..100 {
        exchange(&mut other, &[2, 255, 2, 255], 510);
    }
    // Its requests are still read, and once it reads it gets everything.
    blocked.write_all(&[2, 255].repeat(1000)).unwrap();
    let mut reply = vec![0; 2000 * 255];
    blocked.read_exact(&mut reply).unwrap();
    assert!(silent(&blocked, Duration::from_millis(20)));
    assert_eq!(rig.vm("blocked").node.stats.bytes, 2000 * 255);
}
