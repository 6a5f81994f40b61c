//! Sources that are not what they are named: generators of the kernel and of the hypervisor, other daemons, and this one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::support::{Daemon, Home, draw, entropool, output};

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
    home.write("pools.yaml", &pool("output: FullEntropy", &[egd(&format!("unix: {}", socket.display()))]));
    let allowed = ["--allow-upstream", socket.to_str().unwrap()];
    let lower = home.start(&[&["-f", "pools.yaml", "--vm", "a=default"], &allowed[..]].concat());
    for _ in 0..5 {
        assert_eq!(draw(&home.socket("a"), 200_000), 200_000);
    }
    let source = once(&lower, 0, "");
    assert_eq!((&source["state"], &source["failures"]["lost"]), (&"healthy".into(), &0.into()), "{source}");
    let kind = source["kind"].as_str().unwrap();
    // It sends nothing unsolicited to us, who are no QEMU, so it cannot be told from other servers.
    assert_eq!(kind, format!("EGD server {}", socket.display()));

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
