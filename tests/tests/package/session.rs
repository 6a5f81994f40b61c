//! A user without root: a daemon, its verbs and its unit in the directories of a session.

use crate::build::installed;

#[test]
fn a_user_runs_a_daemon_of_his_own_without_a_flag() {
    let machine = installed();
    machine
        .shell(
            "systemctl stop entropool; useradd -m -u 4321 someone; install -d -o 4321 -m 700 /run/user/4321",
        )
        .unwrap();
    let user = "export XDG_RUNTIME_DIR=/run/user/4321 HOME=/home/someone; cd";
    let script = format!(
        "setpriv --reuid 4321 --regid 4321 --clear-groups bash -euc '{user}
        entropool run --vm web=default >log 2>&1 & daemon=$!
        for attempt in $(seq 100); do grep -q ready log && break; sleep 0.1; done
        entropool vms
        entropool egd read 8 --hex $XDG_RUNTIME_DIR/entropool/vm/web/egd.sock
        kill $daemon; wait $daemon; ls .local/state/entropool'"
    );
    let said = machine.shell(&script).unwrap();
    assert!(said.contains("web") && said.contains("state.a"), "{said}");
}

#[test]
fn without_a_daemon_of_his_own_a_user_asks_the_systems() {
    let machine = installed();
    machine.shell("useradd -m -u 4321 someone; install -d -o 4321 -m 700 /run/user/4321").unwrap();
    let ask = "setpriv --reuid 4321 --regid 4321 --clear-groups env XDG_RUNTIME_DIR=/run/user/4321 HOME=/home/someone entropool pools 2>&1 || true";
    let said = machine.shell(ask).unwrap();
    assert!(said.contains("this user may not open /run/entropool/api.sock"), "{said}");
}
