//! `kubectl entropool` at an API server, as people run it.

use std::process::{Command, Output, Stdio};

use entropool_tests::binary;
use entropool_tests::cluster::ApiServer;

/// The program under the name by which kubectl finds it, with all rights.
pub(crate) fn plugin(api: &ApiServer) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(binary::entropool().unwrap());
    command.arg0("kubectl-entropool").env("KUBECONFIG", api.kubeconfig()).stdin(Stdio::null());
    command
}

/// What a command says: whether it succeeded, and standard output and error together.
pub(crate) fn outcome(api: &ApiServer, words: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = plugin(api).args(words).output().unwrap();
    let text = [stdout, stderr].concat();
    (status.success(), String::from_utf8(text).unwrap())
}
