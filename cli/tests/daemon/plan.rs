//! `plan`: what an edit would change, before it is made.

use crate::support::{Home, entropool, output};

const OLD: &str = "\
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: p}
spec: {rate: 64Ki/s}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: gold}
spec: {pool: p, rate: 32Ki/s, perVM: {rate: 1Ki/s}}
---
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: shared}
spec: {pool: p, maxVMs: 100}
";

/// Runs `plan` in a home with the old manifests and the new ones.
fn planned(new: &str, args: &[&str]) -> (Option<i32>, String) {
    let home = Home::new();
    home.write("old.yaml", OLD);
    home.write("new.yaml", new);
    let mut command = entropool(["plan", "--file", "new.yaml", "--from", "old.yaml"]);
    let output = output(command.args(args).current_dir(home.path(".")));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

#[test]
fn same_manifests_change_nothing() {
    assert_eq!(planned(OLD, &[]), (Some(0), "Nothing would change.\n".to_owned()));
}

#[test]
fn gains_and_losses_are_shown_with_their_fields() {
    let new = OLD
        .replace("{rate: 64Ki/s}", "{rate: 128Ki/s}")
        .replace("rate: 32Ki/s", "rate: 16Ki/s")
        .replace("maxVMs: 100}", "weight: 300, prio: 6}")
        + "---\n"
        + &OLD.split("---\n").nth(1).unwrap().replace("gold", "silver");
    let (code, said) = planned(&new, &[]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said);
}

#[test]
fn rejected_edit_fails_and_changes_nothing() {
    let (code, said) = planned(&OLD.replace("rate: 32Ki/s", "rate: 65Ki/s"), &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said);
}

#[test]
fn invalid_manifest_is_reported_with_its_line() {
    let (code, said) = planned(&OLD.replace("rate: 32Ki/s", "rate: 32K/s"), &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("new.yaml:9: EntropyClass gold: spec.rate: \"32K/s\""), "{said}");
}

#[test]
fn plan_is_a_json_document() {
    let (code, said) = planned(&OLD.replace("rate: 32Ki/s", "rate: 16Ki/s"), &["-o", "json"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said);
}

#[test]
fn manifests_are_compared_with_the_accepted_ones_without_the_daemon() {
    let home = Home::new();
    home.write("pools.yaml", OLD);
    let mut daemon = home.start(&["--file", "pools.yaml"]);
    let accepted = |state: &serde_json::Value| state.to_string().contains("gold");
    let before = daemon.wait_until_kept(&home, accepted);
    home.write("new.yaml", &OLD.replace("rate: 32Ki/s", "rate: 16Ki/s"));
    let plan = |state: &str| {
        let mut command = entropool(["plan", "--file", "new.yaml", "--state-dir", state]);
        output(command.current_dir(home.path(".")))
    };
    let compared = plan("state");
    assert_eq!(compared.status.code(), Some(0), "{compared:?}");
    let said = String::from_utf8(compared.stdout).unwrap();
    assert!(said.contains("rate 32Ki/s -> 16Ki/s"), "{said}");
    assert_eq!(home.checkpoint().unwrap(), before);
    assert!(daemon.says(&["classes"]).contains("32Ki/s"));

    let nothing = plan("elsewhere");
    assert!(String::from_utf8(nothing.stderr).unwrap().contains("compared with nothing"));
    assert!(!home.path("elsewhere").exists(), "it only looked");
}

#[test]
fn healthy_host_passes_all_checks() {
    let home = Home::new();
    home.write("pools.yaml", OLD);
    let daemon = home.start(&["--file", "pools.yaml", "--vm", "a=p/gold"]);
    let (manifest, state) = (home.path("pools.yaml"), home.path("state"));
    let said =
        daemon.says(&["check", "--file", manifest.to_str().unwrap(), "--state-dir", state.to_str().unwrap()]);
    assert!(!said.contains("error") && said.contains("all 3 objects can be served"), "{said}");
    std::fs::remove_file(home.socket("a")).unwrap();
    let output = daemon.ask(&["check", "--state-dir", state.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("error") && said.contains("was removed"), "{said}");
}

#[test]
fn broken_checkpoint_is_reported_and_left_alone() {
    let home = Home::new();
    let file = home.write("state/state.a", "this is no checkpoint");
    let output = output(
        entropool(["check", "--api", "absent.sock", "--state-dir", "state"]).current_dir(home.path(".")),
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the daemon's next start sets it aside"), "{said}");
    assert!(said.contains("no daemon") || said.contains("absent.sock"), "{said}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "this is no checkpoint");
}
