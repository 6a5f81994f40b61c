//! `KubeVirt`'s own code does what it is asked: its plugin pipeline with our `Plugin`, and its hook manager with our
//! sidecar.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A domain as `KubeVirt`'s converter writes it, with the given device.
fn domain(rng: &str) -> String {
    format!(
        "<domain type=\"kvm\"><name>shop_web</name><memory unit=\"b\">134217728</memory>\
         <os><type arch=\"x86_64\" machine=\"q35\">hvm</type></os><devices>\
         <disk device=\"disk\" type=\"file\"><source file=\"/disk.img\"></source>\
         <target bus=\"virtio\" dev=\"vda\"></target></disk>{rng}</devices></domain>"
    )
}

const RNG: &str = "<rng model=\"virtio-non-transitional\"><driver iommu=\"on\"></driver>\
                   <backend model=\"random\">/dev/urandom</backend></rng>";

fn vmi(annotations: &Value) -> String {
    json!({
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"domain": {"devices": {"rng": {}}}},
    })
    .to_string()
}

fn named() -> Value {
    json!({"entropool.io/pool": "default"})
}

fn kubevirt_code() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/kubevirt-code");
    let built = Command::new(script).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

/// What a sidecar has mounted of the directory that it shares with virt-launcher.
const OWN: &str = "hooks/hook-sidecar-0";

/// Files that hold what `KubeVirt` is given.
struct Given(TempDir);

impl Given {
    fn new(annotations: &Value, rng: &str) -> Self {
        let given = Self(TempDir::new().unwrap());
        fs::write(given.path("plugin"), webhook::plugin().to_string()).unwrap();
        fs::write(given.path("vmi"), vmi(annotations)).unwrap();
        fs::write(given.path("domain"), domain(rng)).unwrap();
        fs::create_dir_all(given.path(OWN)).unwrap();
        given
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn plugin(&self) -> Output {
        let files = ["plugin", "vmi", "domain"].map(|name| self.path(name));
        bounded(Command::new(kubevirt_code()).arg("plugin").args(files))
    }
}

/// `KubeVirt`'s manager looks for sockets at one place, which is its own there.
const AT_ITS_PLACE: &str = "mount -t tmpfs none /run && mkdir /run/kubevirt-hooks && mount --bind \"$1\" /run/kubevirt-hooks && shift && exec \"$@\"";

fn by_sidecar(given: &Given) -> Output {
    let mut sidecar = Sidecar::start(&given.path(OWN));
    let mut manager = Command::new("unshare");
    manager
        .args(["--user", "--map-root-user", "--mount", "sh", "-euc", AT_ITS_PLACE, "sh"])
        .arg(given.path("hooks"));
    manager.arg(kubevirt_code()).arg("hooks").arg(given.path("vmi")).arg(given.path("domain"));
    let answered = bounded(&mut manager);
    if answered.status.success() {
        sidecar.ends();
    }
    answered
}

/// The real program; dropped, it is killed.
struct Sidecar(Child);

impl Sidecar {
    fn start(hooks: &Path) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_entropool-hook"));
        program.arg("--hooks").arg(hooks).stdin(Stdio::null()).stderr(Stdio::null());
        Self(program.spawn().unwrap())
    }

    /// Without being asked by anybody but `KubeVirt`: a sidecar that stays keeps its pod, and so the next migration.
    fn ends(&mut self) {
        let looks = || Command::new("sleep").arg("0.1").status().unwrap().success();
        let mut status = None;
        for _ in 0..300 {
            status = self.0.try_wait().unwrap();
            if status.is_some() || !looks() {
                break;
            }
        }
        assert!(status.is_some_and(|status| status.success()), "the sidecar outlives its VM");
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn bounded(command: &mut Command) -> Output {
    let mut within = Command::new("timeout");
    within.arg("60").arg(command.get_program()).args(command.get_args()).output().unwrap()
}

fn changed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The device of a domain, as one line and with one kind of quotes.
fn rng(domain: &str) -> String {
    let from = domain.find("<rng").unwrap();
    let to = domain.find("</rng>").unwrap();
    domain[from..to].split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "\"").replace("> <", "><")
}

#[test]
fn the_plugin_is_admitted_and_connects_the_device() {
    let connected = rng(&changed(&Given::new(&named(), RNG).plugin()));
    assert!(
        connected.starts_with("<rng model=\"virtio-non-transitional\"><driver iommu=\"on\">"),
        "{connected}"
    );
    let backend = "<backend model=\"egd\" type=\"unix\">\
                   <source mode=\"connect\" path=\"/run/entropool/egd.sock\"><reconnect enabled=\"yes\" timeout=\"1\">";
    assert!(connected.contains(backend), "{connected}");
    assert!(!connected.contains("urandom") && !connected.contains("<rate"), "{connected}");
}

#[test]
fn the_plugin_makes_a_device_where_there_is_none_and_leaves_the_others() {
    let domain = changed(&Given::new(&named(), "").plugin());
    assert!(rng(&domain).starts_with("<rng model=\"virtio\"><backend model=\"egd\""), "{domain}");
    assert!(domain.contains("/disk.img"), "{domain}");
}

#[test]
fn the_plugin_leaves_a_vm_that_names_no_pool_as_it_is() {
    for annotations in [Value::Null, json!({}), json!({"other.io/pool": "default"})] {
        let untouched = rng(&changed(&Given::new(&annotations, RNG).plugin()));
        assert!(untouched.contains("/dev/urandom"), "{untouched}");
    }
}

#[test]
fn the_hook_manager_finds_the_sidecar_has_the_device_connected_and_ends_it() {
    let connected = rng(&changed(&by_sidecar(&Given::new(&named(), RNG))));
    for part in [
        "<rng model=\"virtio-non-transitional\">",
        "<driver iommu=\"on\">",
        "<backend model=\"egd\" type=\"unix\">",
        "path=\"/run/entropool/egd.sock\"><reconnect enabled=\"yes\" timeout=\"1\"",
    ] {
        assert!(connected.contains(part), "{part} in {connected}");
    }
    assert!(!connected.contains("urandom"), "{connected}");
}

#[test]
fn the_sidecar_leaves_a_vm_that_names_no_pool_as_it_is() {
    let untouched = rng(&changed(&by_sidecar(&Given::new(&json!({}), RNG))));
    assert!(untouched.contains("/dev/urandom"), "{untouched}");
}
