//! What the daemon says of itself, out of its JSON.

use anyhow::{Context, Result, ensure};
use entropool_tests::Host;
use serde_json::Value;

/// Bytes that the daemon has served to `vm` so far.
pub(crate) fn served(host: &Host, vm: &str) -> Result<u64> {
    let answer = ask(host, "vms")?;
    let bytes = item(&answer["vms"], vm)?.pointer("/counters/bytes").and_then(Value::as_u64);
    bytes.with_context(|| format!("vms -o json has no bytes for {vm}"))
}

/// Rate and ceil of `class`, as a manifest spells them.
pub(crate) fn limits(host: &Host, class: &str) -> Result<[String; 2]> {
    let answer = ask(host, "classes")?;
    let class = item(&answer["classes"], class)?;
    Ok(["rate", "ceil"].map(|name| class[name].as_str().unwrap_or("-").to_owned()))
}

fn ask(host: &Host, verb: &str) -> Result<Value> {
    let output = host.ask([verb, "-o", "json"])?;
    ensure!(output.status.success(), "entropool {verb}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn item<'a>(list: &'a Value, name: &str) -> Result<&'a Value> {
    let mut items = list.as_array().context("a list was asked for")?.iter();
    items.find(|item| item["name"] == name).with_context(|| format!("nothing is called {name}"))
}
