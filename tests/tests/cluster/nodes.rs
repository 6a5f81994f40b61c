//! A node's label, at a kubelet that has its own view of drivers.

use entropool_tests::cluster::Kubernetes;

use crate::agents;

const LABEL: &str = r"get node node1 -o jsonpath={.metadata.labels.entropool\.io/agent}";
/// Without it, a kubelet calls no driver, and tells nobody.
const REGISTRATION: &str = "/var/lib/kubelet/plugins_registry/csi.entropool.io-reg.sock";

#[test]
fn a_node_is_ready_while_its_kubelet_calls_the_driver() {
    let cluster = Kubernetes::alone().unwrap();
    cluster.until_said(LABEL, "ready").unwrap();
    cluster.on_node(&["rm", REGISTRATION]).unwrap();
    cluster.until_said(LABEL, "starting").unwrap();
    // The next one makes its sockets anew, and the kubelet finds them.
    agents::crash(&cluster, "node1").unwrap();
    cluster.until_said(LABEL, "ready").unwrap();
}
