//! Sources that are not what they are named: generators of the kernel and of the hypervisor, other daemons, and this one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Daemon, Home, draw, entropool, output};
use crate::upstream::Upstream;

/// A manifest of a pool with these sources.
fn pool(spec: &str, sources: &[String]) -> String {
    format!(
        "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{{spec}, \
         sources: [{}]}}}}\n",
        sources.join(", ")
    )
}

fn device(name: &str, path: &Path, more: &str) -> String {
    format!("{{name: {name}, minEntropyPerByte: '8', device: {{path: {}{more}}}}}", path.display())
}

fn egd(address: &str) -> String {
    format!("{{name: noise, minEntropyPerByte: '8', egd: {{{address}}}}}")
}

/// A source, once it has this reason, or none where that is empty.
fn once(daemon: &Daemon, at: usize, reason: &str) -> Value {
    // Each question takes some milliseconds, so this is patience for half a minute.
    for _ in 0..5_000 {
        let source = daemon.json(&["sources"])["sources"][at].clone();
        if source["reason"].as_str().unwrap_or_default() == reason && source["state"] != "starting" {
            return source;
        }
    }
    panic!("not {reason}: {}", daemon.json(&["sources"]))
}

/// A daemon with a pool that others draw from.
fn upstream(output: &str) -> (Home, Daemon) {
    let home = Home::new();
    home.write("pools.yaml", &pool(&format!("output: {output}"), &["{name: kernel, kernel: {}}".to_owned()]));
    let daemon = home.start(&["-f", "pools.yaml", "--vm", "down=default", "--metrics", "127.0.0.1:0"]);
    (home, daemon)
}

#[test]
fn entropool_draws_from_another_entropool_without_a_loss() {
    let (up, upper) = upstream("Stretched");
    let socket = up.socket("down");
    let home = Home::new();
    let source = egd(&format!("unix: {}, creditNested: true", socket.display()));
    home.write("pools.yaml", &pool("output: FullEntropy", &[source]));
    let allowed = ["--allow-upstream", socket.to_str().unwrap()];
    let lower = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
    for _ in 0..5 {
        assert_eq!(draw(&home.socket("a"), 200_000), 200_000);
    }
    let source = once(&lower, 0, "");
    assert_eq!((&source["state"], &source["failures"]["lost"]), (&"healthy".into(), &0.into()), "{source}");
    assert_eq!(source["kind"], format!("EGD server {} (entropool, nested)", socket.display()));

    // One loss is the restart itself.
    upper.kill();
    once(&lower, 0, "ReadError");
    let _upper = up.start(&["-f", "pools.yaml", "--vm", "down=default"]);
    assert_eq!(draw(&home.socket("a"), 200_000), 200_000);
    let lost = |daemon: &Daemon| once(daemon, 0, "")["failures"]["lost"].as_u64().unwrap();
    let losses = lost(&lower);
    assert_eq!(draw(&home.socket("a"), 200_000), 200_000);
    assert_eq!(lost(&lower), losses, "none since it is back");
}

/// A daemon whose pool has full entropy if this server gives it.
fn lower(server: &str, allowed: &Path) -> (Home, Daemon) {
    let home = Home::new();
    home.write("pools.yaml", &pool("output: FullEntropy", &[egd(server)]));
    let daemon =
        home.start(&["-f", "pools.yaml", "--vm", "a=default", "--allow-upstream", allowed.to_str().unwrap()]);
    (home, daemon)
}

/// Whether the pool keeps its promise with its source, which is healthy and of this kind; and whether that is credited.
fn is_credited(home: &Home, daemon: &Daemon, reason: &str, kind: &str) -> bool {
    let source = once(daemon, 0, reason);
    assert_eq!((&source["state"], &source["kind"]), (&"healthy".into(), &kind.into()), "{source}");
    let serving = daemon.json(&["pools"])["pools"][0]["output"]["serving"].clone();
    let drawn = if serving == "promised" { draw(&home.socket("a"), 1000) } else { 0 };
    let credited = once(daemon, 0, reason)["bytesCredited"].as_u64().unwrap_or(0);
    assert_eq!(
        (drawn > 0, credited > 0),
        (serving == "promised", serving == "promised"),
        "{serving} {source}"
    );
    credited > 0
}

#[test]
fn another_entropool_earns_credit_only_where_the_pool_says_so() {
    let (up, mut upper) = upstream("Stretched");
    let socket = up.socket("down");
    let kind = format!("EGD server {} (entropool, nested)", socket.display());
    let unix = format!("unix: {}", socket.display());
    // By the process that listens, or by the one that took over from it.
    for _ in 0..2 {
        let (home, daemon) = lower(&unix, &socket);
        assert!(!is_credited(&home, &daemon, "NestedSource", &kind));
        let source = once(&daemon, 0, "NestedSource");
        let message = source["message"].as_str().unwrap();
        let expected = "its bytes come from another entropool, whose pool may be Stretched: the protocol does not say; it is \
                        mixed in and earns no credit, unless the pool has egd.creditNested: true";
        assert_eq!(message, expected);
        upper.hand_over();
        upper.wait_for_children(1);
    }
    // An edit of the running pool is enough.
    let (home, daemon) = lower(&unix, &socket);
    assert!(!is_credited(&home, &daemon, "NestedSource", &kind));
    let edited = pool("output: FullEntropy", &[egd(&format!("{unix}, creditNested: true"))]);
    home.write("edited.yaml", &edited);
    let plan = output(
        entropool(["plan", "--file", "edited.yaml", "--from", "pools.yaml"]).current_dir(home.path(".")),
    );
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.contains("differs   sources"), "{plan}");
    home.write("pools.yaml", &edited);
    assert!(is_credited(&home, &daemon, "", &kind));
}

#[test]
fn server_that_is_no_entropool_or_that_nobody_can_tell_is_credited_as_stated() {
    let home = Home::new();
    let socket = home.path("egd.sock");
    let _server = Upstream::start(&socket);
    let this = std::env::current_exe().unwrap();
    let kind = |more: &str| format!("EGD server {} ({more})", socket.display());
    let (below, daemon) = lower(&format!("unix: {}", socket.display()), &socket);
    let program = this.file_name().unwrap().to_str().unwrap();
    assert!(is_credited(&below, &daemon, "", &kind(program)));

    // A daemon in a PID namespace of its own does not see who serves.
    let below = Home::new();
    below.write("pools.yaml", &pool("output: FullEntropy", &[egd(&format!("unix: {}", socket.display()))]));
    let run =
        below.run(&["-f", "pools.yaml", "--vm", "a=default", "--allow-upstream", socket.to_str().unwrap()]);
    let mut alone = Command::new("unshare");
    alone
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(run.get_program())
        .args(run.get_args());
    alone.current_dir(below.path("."));
    let mut daemon = Daemon::spawn(&mut alone, below.path("run/api.sock"));
    daemon.wait_for("ready");
    assert!(is_credited(&below, &daemon, "", &kind("server unknown")));

    // Nor does anybody by TCP, be it an entropool.
    let up = Home::new();
    up.write("pools.yaml", &pool("output: Stretched", &["{name: kernel, kernel: {}}".to_owned()]));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _upper = up.start(&["-f", "pools.yaml", "--tcp", &format!("{port}=default")]);
    let (below, daemon) = lower(&format!("tcp: '{port}'"), Path::new(&port.to_string()));
    assert!(is_credited(&below, &daemon, "", &format!("EGD server {port} (server unknown)")));
}

#[test]
fn pool_that_would_draw_from_its_own_daemon_is_refused_by_any_name() {
    let home = Home::new();
    let (own, link) = (home.socket("a"), home.path("link"));
    symlink(&own, &link).unwrap();
    for path in [&own, &link] {
        home.write("pools.yaml", &pool("output: FullEntropy", &[egd(&format!("unix: {}", path.display()))]));
        let allowed = ["--allow-upstream", path.to_str().unwrap()];
        let mut daemon = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
        let source = once(&daemon, 0, "OwnSocket");
        let message = source["message"].as_str().unwrap();
        assert!(message.contains("is a socket of this daemon, which cannot draw from itself"), "{message}");
        let why = "pool default holds: source noise is unavailable (OwnSocket)";
        assert!(daemon.says(&["pools"]).contains(why), "{}", daemon.says(&["pools"]));
        daemon.terminate();
    }
}

#[test]
fn kernel_s_generator_is_no_device_of_a_pool() {
    let home = Home::new();
    let (plain, link) = (Path::new("/dev/random"), home.path("trng0"));
    symlink("/dev/urandom", &link).unwrap();
    for path in [plain, &link] {
        home.write("pools.yaml", &pool("output: FullEntropy", &[device("trng", path, "")]));
        let allowed = ["--allow-device", path.to_str().unwrap()];
        let mut daemon = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
        let source = once(&daemon, 0, "DeterministicGenerator");
        assert_eq!((&source["state"], &source["bytesIn"]), (&"unavailable".into(), &0.into()), "{source}");
        let said = daemon.says(&["sources"]);
        assert!(
            said.contains("a DRBG and not a noise source; for the kernel's generator write `kernel: {}`"),
            "{said}"
        );
        daemon.terminate();
    }
}

#[test]
fn one_device_by_two_links_does_not_count_twice() {
    let home = Home::new();
    let [one, other] = ["one", "other"].map(|name| home.path(name));
    for link in [&one, &other] {
        symlink("/dev/zero", link).unwrap();
    }
    let sources = [device("one", &one, ""), device("other", &other, "")];
    home.write("pools.yaml", &pool("output: FullEntropy, minHealthySources: 2", &sources));
    let allowed = ["--allow-device", one.to_str().unwrap(), "--allow-device", other.to_str().unwrap()];
    let daemon = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
    let source = once(&daemon, 1, "DuplicateSource");
    assert_eq!(source["kind"], format!("device {} (/dev/zero)", other.display()));
    let message = source["message"].as_str().unwrap();
    assert!(
        message.starts_with("it is the same source as one (device 1:5), so that it does not count"),
        "{message}"
    );
    // By one name, it is refused before anything is opened.
    let twice = [device("one", &one, ""), device("other", &one, "")];
    home.write("twice.yaml", &pool("output: FullEntropy, minHealthySources: 2", &twice));
    let plan = output(
        entropool(["plan", "--file", "twice.yaml", "--from", "pools.yaml"]).current_dir(home.path(".")),
    );
    let refused = String::from_utf8(plan.stdout).unwrap();
    assert_eq!(plan.status.code(), Some(1), "{refused}");
    assert!(refused.contains("sources one and other are both the device"), "{refused}");
}

#[test]
fn hypervisor_s_generator_earns_credit_only_where_the_pool_says_so() {
    let current = fs::read_to_string("/sys/class/misc/hw_random/rng_current").unwrap_or_default();
    let path = Path::new("/dev/hwrng");
    if !current.starts_with("virtio_rng") || fs::File::open(path).is_err() {
        println!("NOT RUN: there is no virtio-rng behind {} that can be opened", path.display());
        return;
    }
    let home = Home::new();
    for (more, reason, serving) in [("", "NestedSource", "held"), (", creditNested: true", "", "promised")] {
        home.write("pools.yaml", &pool("output: FullEntropy", &[device("trng", path, more)]));
        let mut daemon = home.start(&["-f", "pools.yaml", "--vm", "a=default"]);
        let source = once(&daemon, 0, reason);
        assert_eq!(source["state"], "healthy", "{source}");
        assert_eq!(source["kind"], format!("device /dev/hwrng ({}, nested)", current.trim()));
        let pools = daemon.json(&["pools"]);
        assert_eq!(pools["pools"][0]["output"]["serving"], serving, "{pools}");
        daemon.terminate();
    }
}
