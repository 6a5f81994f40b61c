//! The unit, on a machine: its sandbox, its settings, and what the journal and `systemctl status` show.

use serde_json::Value;

use crate::build::{MANIFEST, installed};

#[test]
fn the_sandbox_is_tight_and_the_unit_is_without_a_fault() {
    let machine = installed();
    assert_eq!(machine.shell("systemd-analyze verify entropool.service 2>&1").unwrap(), "");
    let unit = "/usr/lib/systemd/system/entropool.service";
    machine.shell(&format!("systemd-analyze security --offline=true --threshold=20 {unit} >&2")).unwrap();
}

#[test]
fn metrics_and_ports_and_sources_work_in_the_sandbox() {
    let machine = installed();
    std::fs::write(machine.path("/etc/entropool/pools.yaml"), MANIFEST).unwrap();
    machine.shell("ip link set lo up").unwrap();
    let settings =
        "ENTROPOOL_METRICS=9090\nENTROPOOL_OPTIONS='--tcp 127.0.0.1:7000=default --vm a=default'\n";
    std::fs::write(machine.path("/etc/default/entropool"), settings).unwrap();
    machine.shell("sleep 1; systemctl restart entropool").unwrap();
    let page = machine
        .shell("exec 3<>/dev/tcp/127.0.0.1/9090; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3")
        .unwrap();
    assert!(page.contains("entropool_manifests_refused 0.0\n"), "{page}");
    let read = machine.shell("entropool egd read 8 --hex tcp:127.0.0.1:7000").unwrap();
    assert_eq!(read.trim().len(), 16, "{read}");
    let log = machine.shell("journalctl -u entropool -o cat --no-pager -p 4").unwrap();
    assert_eq!(log, "", "nothing is warned of");
}

#[test]
fn the_journal_has_one_time_and_a_priority_for_each_line() {
    let machine = installed();
    std::fs::write(machine.path("/etc/entropool/pools.yaml"), MANIFEST).unwrap();
    machine.shell("sleep 1; echo nonsense >/etc/entropool/wrong.yaml; sleep 1").unwrap();
    let lines = machine.shell("journalctl -u entropool -o json --no-pager").unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let priority = |words: &str| {
        let line =
            lines.iter().find(|line| line["MESSAGE"].as_str().is_some_and(|text| text.starts_with(words)));
        line.unwrap_or_else(|| panic!("{words}: {lines:#?}"))["PRIORITY"].as_str().unwrap().to_owned()
    };
    assert_eq!(priority("ready api=/run/entropool/api.sock"), "6");
    assert_eq!(priority("refused; the last accepted spec stays in effect"), "3");

    let status = machine.shell("systemctl show -P StatusText entropool").unwrap();
    let (line, time) = status.trim().split_once("; manifests refused at ").unwrap();
    assert_eq!(line, "1 pool, 0 VMs, 0 waiting");
    assert!(time.ends_with(" UTC") && time.len() == 9, "{time}");
    let checked = machine.shell("entropool check || true").unwrap();
    assert!(checked.contains("refused at ") && checked.contains("/etc/entropool/wrong.yaml"), "{checked}");
    assert!(machine.shell("entropool config --diff").is_err());
    machine.shell("rm /etc/entropool/wrong.yaml; sleep 1").unwrap();
    assert_eq!(machine.shell("entropool config --diff").unwrap(), "The files are in effect.\n");
    assert_eq!(
        machine.shell("systemctl show -P StatusText entropool").unwrap(),
        "1 pool, 0 VMs, 0 waiting\n"
    );
}

#[test]
fn a_wrong_level_stops_the_start_with_a_sentence() {
    let machine = installed();
    std::fs::write(machine.path("/etc/default/entropool"), "ENTROPOOL_LOG=inof\n").unwrap();
    machine.shell("systemctl restart entropool || true; systemctl stop entropool").unwrap();
    let log = machine.shell("journalctl -u entropool -o cat --no-pager -p 3").unwrap();
    assert!(
        log.contains("ENTROPOOL_LOG=inof: \"inof\" is not a level; write error, warn, info, debug or trace"),
        "{log}"
    );
}
