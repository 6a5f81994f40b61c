//! The interface's own test suite, on the real sockets.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node::{Host, Node};

/// Left out: what needs volumes that a controller service made, and statistics, which the driver does not offer.
const SKIPPED: &str = "should remove target path|NodeGetVolumeStats";

fn tool() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/csi-sanity");
    let built = Command::new(script).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

#[test]
fn the_suite_of_the_interface_passes() {
    let host = Host::new();
    let _node = Node::start(&host);
    let socket = host.path("kubelet/plugins/csi.entropool.io/csi.sock");
    let ran = Command::new("timeout")
        .arg("120")
        .arg(tool())
        .arg(format!("--csi.endpoint=unix://{}", socket.display()))
        .arg(format!("--csi.mountdir={}", host.path("kubelet/sanity-mount").display()))
        .arg(format!("--csi.stagingdir={}", host.path("kubelet/sanity-staging").display()))
        .args(["--ginkgo.focus=Node Service|Identity Service", "--ginkgo.no-color"])
        .arg(format!("--ginkgo.skip={SKIPPED}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("10 Passed | 0 Failed"), "{said}");
}
