//! `config`: what the daemon has in effect, as manifests, and how its files differ from that.

use std::path::PathBuf;

use agent::read_manifests;
use anyhow::{Context, Result, bail};
use api::manifest::Object;
use api::names::API_VERSION;
use proto::local::GetConfigResponse;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::args::{ConfigArgs, Global};
use crate::client::DaemonClient;
use crate::output;

pub(crate) async fn config(global: &Global, args: &ConfigArgs) -> Result<()> {
    let response = DaemonClient::connect(global.api()).await?.config().await?;
    let response = response.context("the daemon is older than this program: systemctl reload entropool")?;
    let manifests: Vec<Value> =
        serde_json::from_str(&response.manifests).context("the daemon's answer is no JSON")?;
    if args.diff {
        return diff(&response, &manifests, args);
    }
    let document = json!({
        "manifests": manifests,
        "files": response.files,
        "refused": response.refused,
        "refusedAt": (response.refused_at > 0).then_some(response.refused_at),
    });
    let text = yaml(&manifests)?;
    output::show(global.output, &document, |_| text)
}

/// Prints how the files differ from what is in effect, and fails if they do.
fn diff(response: &GetConfigResponse, in_effect: &[Value], args: &ConfigArgs) -> Result<()> {
    let of_daemon = response.files.iter().map(PathBuf::from).collect();
    let files: Vec<PathBuf> = if args.files.is_empty() { of_daemon } else { args.files.clone() };
    if files.is_empty() {
        bail!("the daemon reads no files: name some with -f");
    }
    let manifest = read_manifests(&files);
    let problems: Vec<_> = manifest.problems.iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        bail!("the files have mistakes, so that nothing of them is in effect:\n  {}", problems.join("\n  "));
    }
    let mut wanted: Vec<Value> = manifest.objects.iter().map(|located| value(&located.object)).collect();
    // Pools, then classes, each by name: as the daemon answers.
    wanted.sort_by_key(|object| (object["kind"] == "EntropyClass", object["metadata"]["name"].to_string()));
    let (before, after) = (yaml(in_effect)?, yaml(&wanted)?);
    if before == after {
        return output::print_line("The files are in effect.");
    }
    let diff = TextDiff::from_lines(&before, &after);
    output::print(&diff.unified_diff().header("in effect", "files").to_string())?;
    bail!("the files differ from what is in effect")
}

fn value(object: &Object) -> Value {
    let spec = match object {
        Object::Pool(pool) => json!(pool.spec),
        Object::Class(class) => json!(class.spec),
    };
    json!({ "apiVersion": API_VERSION, "kind": object.kind(), "metadata": { "name": object.name() }, "spec": spec })
}

fn yaml(manifests: &[Value]) -> Result<String> {
    let texts = manifests.iter().map(serde_yaml::to_string).collect::<Result<Vec<_>, _>>();
    let texts = texts.context("cannot write YAML")?;
    Ok(texts.iter().map(|text| format!("---\n{}\n", text.trim_end())).collect())
}
