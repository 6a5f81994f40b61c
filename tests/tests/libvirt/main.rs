//! Domains of a real libvirt that draw from pools.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod host;

use std::io::Write;
use std::process::Stdio;

use entropool_tests::{Daemon, Host, binary};

use self::host::{Libvirt, sentence};

const MANIFEST: &str = "
{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {name: default}, spec: {}}
---
{apiVersion: entropool.io/v1alpha1, kind: EntropyClass, metadata: {name: gold}, spec: {pool: default}}
";

fn host() -> Host {
    Host::new(binary::entropool().unwrap(), MANIFEST).unwrap()
}

/// A verb of ours about a domain, with the host's libvirt and its sockets.
fn set(host: &Host, libvirt: &Libvirt, domain: &str, place: &str) -> std::process::Output {
    let sockets = host.socket_dir();
    let words = ["libvirt", "set", domain, place, "--connect", libvirt.uri(), "--socket-dir"];
    host.ask(words.into_iter().chain([sockets.to_str().unwrap()])).unwrap()
}

#[test]
fn a_domain_draws_from_its_pool_for_as_long_as_it_runs() {
    let daemon = Daemon::start(host(), &[] as &[&str]).unwrap();
    let host = daemon.host();
    let libvirt = Libvirt::start(host);
    libvirt.define("web");
    let before = libvirt.said(&["dumpxml", "web"]);

    let refused = set(host, &libvirt, "web", "default/golden");
    assert!(sentence(&refused).contains("pool default has no class golden"), "{}", sentence(&refused));
    let done = set(host, &libvirt, "web", "default/gold");
    assert!(done.status.success(), "{}", sentence(&done));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "web draws from default/gold\n");
    let kept = libvirt.said(&["metadata", "web", "https://entropool.io/libvirt/v1alpha1"]);
    let kept = kept.replace('"', "'");
    assert!(kept.contains("pool='default'") && kept.contains("class='gold'"), "{kept}");

    libvirt.said(&["start", "web"]);
    assert_eq!(libvirt.bytes("web"), 64);
    let vms = |verb: &str| String::from_utf8(host.ask([verb, "-o", "json"]).unwrap().stdout).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&vms("vms")).unwrap();
    let web = &listed["vms"][0];
    assert_eq!((web["name"].as_str(), web["class"].as_str()), (Some("web"), Some("gold")), "{listed}");
    libvirt.said(&["destroy", "web"]);
    assert!(!vms("vms").contains("web"));
    assert!(!host.socket("web").exists());

    let back = host.ask(["libvirt", "unset", "web", "--connect", libvirt.uri()]).unwrap();
    assert!(back.status.success(), "{}", sentence(&back));
    let after = libvirt.said(&["dumpxml", "web"]);
    // libvirt keeps the element that the choice was in.
    assert_eq!(without_blanks(&after).replace("<metadata/>", ""), without_blanks(&before));
}

#[test]
fn a_domain_starts_with_its_pool_or_not_at_all_and_one_without_never_notices() {
    let host = host();
    let libvirt = Libvirt::start(&host);
    libvirt.define("web");
    let done = set(&host, &libvirt, "web", "default/gold");
    assert!(sentence(&done).contains("pool default is not checked"));
    let refused = libvirt.virsh(&["start", "web"]);
    assert!(!refused.status.success());
    assert!(sentence(&refused).contains("cannot connect to a daemon"), "{}", sentence(&refused));

    libvirt.define("plain");
    libvirt.said(&["start", "plain"]);
    assert_eq!(libvirt.bytes("plain"), 64);
    libvirt.said(&["destroy", "plain"]);

    // libvirt kills a domain whose hook fails when it comes back.
    let xml = libvirt.said(&["dumpxml", "web"]);
    for (operation, sub_operation, succeeds) in [
        ("reconnect", "begin", true),
        ("release", "end", true),
        ("start", "begin", true),
        ("prepare", "begin", false),
    ] {
        let mut hook = host.asking(["libvirt", "hook", "web", operation, sub_operation, "-"]);
        let mut child = hook.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(xml.as_bytes()).unwrap();
        assert_eq!(child.wait().unwrap().success(), succeeds, "{operation}");
    }
}

#[test]
fn a_pool_as_it_was_once_proposed_becomes_a_domain_that_libvirt_takes() {
    let host = host();
    let libvirt = Libvirt::start(&host);
    for (at, spelling) in [
        "<backend model='pool' pool='default'>gold</backend>",
        "<source type='pool' pool='default'>gold</source>",
        "<source type='egd'><remote type='unix' path='/run/egd.sock'/></source>",
        "<source type='egd'><remote type='tcp' host='127.0.0.1' port='7000'/></source>",
        "<source type='char'>/dev/hwrng</source>",
    ]
    .into_iter()
    .enumerate()
    {
        let xml = format!(
            "<domain type='qemu'><name>d{at}</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os>\
             <devices><rng model='virtio'>{spelling}</rng></devices></domain>"
        );
        let file = host.path().join("proposed.xml");
        std::fs::write(&file, xml).unwrap();
        let translated = host.ask(["libvirt", "translate", file.to_str().unwrap()]).unwrap();
        assert!(translated.status.success(), "{spelling}: {}", sentence(&translated));
        libvirt.define_xml(&String::from_utf8(translated.stdout).unwrap());
    }
    let pool = libvirt.said(&["dumpxml", "d0"]).replace('"', "'");
    assert!(pool.contains("/run/entropool/vm/d0/egd.sock") && pool.contains("class='gold'"), "{pool}");
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("> <", "><")
}
