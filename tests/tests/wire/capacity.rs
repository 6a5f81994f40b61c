//! What a pool may promise follows from what its sources give: `capacity × minEntropyPerByte / 10` for `FullEntropy`,
//! of the lowest tier, rounded down to whole bytes a day.

use std::process::{Command, Output};

use entropool_tests::{Daemon, binary};

use crate::{beside_others, host};

/// Bytes a day, so that nothing is rounded on the way.
const DAY: u64 = 86_400;

fn pool(output: &str, sources: &[&str], rest: &str) -> String {
    let sources = sources.join("}\n  - {");
    format!(
        "apiVersion: entropool.io/v1alpha1\nkind: EntropyPool\nmetadata: {{name: noise}}\nspec:\n  output: {output}\n  \
         sources:\n  - {{{sources}}}\n{rest}"
    )
}

fn plan(manifest: &str) -> Output {
    let host = host(manifest);
    let mut command = Command::new(binary::entropool().unwrap());
    command.args(["plan", "-o", "json", "-f"]).arg(host.manifest()).arg("--state-dir").arg(host.state_dir());
    command.output().unwrap()
}

/// Exactly so many bytes a day may be promised.
fn gives(output: &str, sources: &[&str], bytes: u64) {
    let _machine = beside_others();
    let with = |rate: u64| plan(&pool(output, sources, &format!("  rate: {rate}/d\n")));
    let all = with(bytes);
    assert!(all.status.success(), "{sources:?}: {}", String::from_utf8_lossy(&all.stdout));
    let more = with(bytes + 1);
    assert_eq!(more.status.code(), Some(1), "{sources:?}: a byte more");
    let said: serde_json::Value = serde_json::from_slice(&more.stdout).unwrap();
    let said = said["refused"][0].as_str().unwrap();
    let sum = if output == "Raw" {
        "yield:"
    } else {
        "yield after conditioning (capacity × minEntropyPerByte / 10):"
    };
    let sentence = format!("{}/d is more than", bytes + 1);
    assert!(said.contains(&sentence) && said.contains(&format!("that the sources {sum}")), "{said}");
}

const TRNG: &str =
    r#"name: one, device: {path: /dev/hwrng}, minEntropyPerByte: "6", capacity: {perNode: 100k/s}"#;
const RACK: &str =
    r#"name: two, egd: {unix: /run/up.sock}, minEntropyPerByte: "4", capacity: {shared: 50k/s}"#;
const SPARE: &str =
    r#"name: spare, cpu: {instruction: RDSEED}, tier: 1, minEntropyPerByte: "1", capacity: {perNode: 1M/s}"#;
const SLOW: &str =
    r#"name: slow, device: {path: /dev/hwrng}, minEntropyPerByte: "0.7", capacity: {perNode: 27/d}"#;

#[test]
fn a_source_gives_its_capacity_times_its_entropy_by_ten() {
    gives("FullEntropy", &[TRNG], 60_000 * DAY);
}

#[test]
fn what_is_shared_is_all_of_the_only_host_s() {
    gives("FullEntropy", &[RACK], 20_000 * DAY);
}

#[test]
fn sources_of_a_tier_add_up_and_those_of_a_higher_one_do_not() {
    gives("FullEntropy", &[TRNG, RACK, SPARE], 80_000 * DAY);
    gives("FullEntropy", &[SPARE], 100_000 * DAY);
}

#[test]
fn a_fraction_of_a_byte_a_day_is_promised_to_nobody() {
    gives("FullEntropy", &[SLOW], 1);
}

#[test]
fn raw_bytes_are_not_conditioned() {
    gives("Raw", &[TRNG], 100_000 * DAY);
}

#[test]
fn where_one_capacity_is_unknown_or_bytes_are_stretched_any_rate_may_be_promised() {
    let _machine = beside_others();
    let unknown = TRNG.replace(", capacity: {perNode: 100k/s}", "");
    for (output, sources) in [("FullEntropy", [unknown.as_str(), RACK]), ("Stretched", [TRNG, RACK])] {
        let planned = plan(&pool(output, &sources, "  rate: 1G/s\n"));
        assert!(planned.status.success(), "{output}: {}", String::from_utf8_lossy(&planned.stdout));
    }
}

#[test]
fn a_daemon_promises_what_its_sources_give_and_refuses_a_class_that_wants_more() {
    let _machine = beside_others();
    let class = |rate: &str| {
        format!(
            "---\napiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {{name: gold}}\nspec: {{pool: noise, rate: {rate}}}\n"
        )
    };
    let manifest = |rate: &str| pool("FullEntropy", &[TRNG, SPARE], "") + &class(rate);
    let daemon = Daemon::start(host(&manifest("60k/s")), &[] as &[&str]).unwrap();
    let ask = |words: &[&str]| daemon.host().ask(words).unwrap();
    let pools: serde_json::Value = serde_json::from_slice(&ask(&["pools", "-o", "json"]).stdout).unwrap();
    assert_eq!(pools["pools"][0]["rate"], "60k/s", "{pools}");

    daemon.host().rewrite(&manifest("60001/s")).unwrap();
    let said = daemon.wait_for("refused").unwrap();
    assert!(said.contains("60001/s") && said.contains("60k/s"), "{said}");
    let classes: serde_json::Value = serde_json::from_slice(&ask(&["classes", "-o", "json"]).stdout).unwrap();
    assert!(classes.to_string().contains(r#""rate":"60k/s""#), "{classes}");
}
