//! What a pool may promise follows from what its sources give: for `FullEntropy`, 32 bytes for 320 assessed bits, of which
//! every source of the lowest tier gives an equal share in whole samples; rounded down to whole bytes a day.

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
fn gives(output: &str, sources: &[&str], bytes: u64, how: &str) {
    let _machine = beside_others();
    let with = |rate: u64| plan(&pool(output, sources, &format!("  rate: {rate}/d\n")));
    let all = with(bytes);
    assert!(all.status.success(), "{sources:?}: {}", String::from_utf8_lossy(&all.stdout));
    let more = with(bytes + 1);
    assert_eq!(more.status.code(), Some(1), "{sources:?}: a byte more");
    let said: serde_json::Value = serde_json::from_slice(&more.stdout).unwrap();
    let said = said["refused"][0].as_str().unwrap();
    let sentence = format!("{}/d is more than", bytes + 1);
    assert!(said.contains(&sentence) && said.contains(&format!("that the sources yield{how}:")), "{said}");
}

const TRNG: &str =
    r#"name: one, device: {path: /dev/hwrng}, minEntropyPerByte: "6", capacity: {perNode: 100k/s}"#;
const RACK: &str =
    r#"name: two, egd: {unix: /run/up.sock}, minEntropyPerByte: "4", capacity: {shared: 50k/s}"#;
const SPARE: &str =
    r#"name: spare, cpu: {instruction: RDSEED}, tier: 1, minEntropyPerByte: "1", capacity: {perNode: 1M/s}"#;
const SLOW: &str =
    r#"name: slow, device: {path: /dev/hwrng}, minEntropyPerByte: "0.7", capacity: {perNode: 27/d}"#;

/// A source gives 32 bytes for so many samples; one block in 32,769 reseeds the pool's generator.
fn conditioned(name: &str, capacity: u64, samples: u64) -> (u64, String) {
    let how = format!(" after conditioning (each 32 bytes take {samples} of source {name})");
    (capacity * 32 * 32_768 / (samples * 32_769), how)
}

fn full_entropy(sources: &[&str], (bytes, how): (u64, String)) {
    gives("FullEntropy", sources, bytes, &how);
}

#[test]
fn a_source_gives_thirty_two_bytes_for_three_hundred_and_twenty_bits_in_whole_samples() {
    full_entropy(&[TRNG], conditioned("one", 100_000 * DAY, 54));
}

#[test]
fn what_is_shared_is_all_of_the_only_host_s() {
    full_entropy(&[RACK], conditioned("two", 50_000 * DAY, 80));
}

#[test]
fn sources_of_a_tier_share_each_block_and_those_of_a_higher_one_do_not() {
    full_entropy(&[TRNG, RACK, SPARE], conditioned("two", 50_000 * DAY, 40));
    full_entropy(&[SPARE], conditioned("spare", 1_000_000 * DAY, 320));
}

#[test]
fn a_fraction_of_a_byte_a_day_is_promised_to_nobody() {
    full_entropy(&[SLOW], (1, conditioned("slow", 27, 458).1));
}

#[test]
fn raw_bytes_are_not_conditioned() {
    gives("Raw", &[TRNG], 100_000 * DAY, "");
}

#[test]
fn where_no_capacity_is_known_or_bytes_are_stretched_any_rate_may_be_promised() {
    let _machine = beside_others();
    let unknown = TRNG.replace(", capacity: {perNode: 100k/s}", "");
    for (output, sources) in [("FullEntropy", &[unknown.as_str()][..]), ("Stretched", &[TRNG, RACK])] {
        let planned = plan(&pool(output, sources, "  rate: 1G/s\n"));
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
    let daemon = Daemon::start(host(&manifest("59257/s")), &[] as &[&str]).unwrap();
    let ask = |words: &[&str]| daemon.host().ask(words).unwrap();
    let pools: serde_json::Value = serde_json::from_slice(&ask(&["pools", "-o", "json"]).stdout).unwrap();
    // More than 59,257 bytes a second, and less than 59,258.
    let rate = pools["pools"][0]["rate"].as_str().unwrap();
    assert!(rate.starts_with("59257/s") || rate.starts_with("5119"), "{pools}");

    daemon.host().rewrite(&manifest("59258/s")).unwrap();
    let said = daemon.wait_for("refused").unwrap();
    assert!(said.contains("59258/s") && said.contains("59257/s"), "{said}");
    let classes: serde_json::Value = serde_json::from_slice(&ask(&["classes", "-o", "json"]).stdout).unwrap();
    assert!(classes.to_string().contains(r#""rate":"59257/s""#), "{classes}");
}
