//! What a manifest is told on a host is what it is told by a cluster: the table of mistakes goes through both.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use api::manifest::parse;

use kube::Client;
use kube::api::PostParams;
use kube::core::response::StatusCause;

use super::server;

/// One document of the table with what both said of it.
struct Verdicts {
    document: String,
    ours: Vec<String>,
    /// None when the server took it.
    servers: Option<Refusal>,
}

struct Refusal {
    message: String,
    causes: Vec<StatusCause>,
}

#[tokio::test]
async fn the_server_refuses_what_our_reader_refuses_and_nothing_else() {
    let all = verdicts().await;
    let apart: Vec<_> = all
        .iter()
        .filter(|one| one.ours.is_empty() != one.servers.is_none())
        .map(|one| one.document.as_str())
        .collect();
    assert_eq!(apart, Vec::<&str>::new());
    assert!(all.iter().any(|one| one.ours.is_empty()), "a table without a sound document proves half");
    insta::assert_snapshot!(all.iter().map(Verdicts::table).collect::<String>());
}

#[tokio::test]
async fn both_point_at_the_same_field_and_a_rule_speaks_in_the_same_words() {
    let rules = rules();
    let mut heard = BTreeSet::new();
    for one in verdicts().await {
        // Of an object whose metadata are wrong, our reader reads no further.
        if one.ours.iter().any(|said| said.contains(": metadata")) {
            continue;
        }
        // What is about no field is about the whole object, or says that rules were left out.
        let causes: Vec<_> = one.causes().iter().filter(|cause| cause.field != "<nil>").collect();
        let met: Vec<_> = causes.iter().filter_map(|cause| Some((cause, one.about(&cause.field)?))).collect();
        assert!(causes.is_empty() || !met.is_empty(), "{} is wrong in other places", one.document);
        for (cause, ours) in met {
            if let Some(rule) = rules.iter().find(|rule| cause.message.ends_with(&format!("\": {rule}"))) {
                assert!(ours.ends_with(rule.as_str()), "{}: {rule}, and {ours}", one.document);
                heard.insert(rule);
            }
        }
    }
    assert!(heard.len() >= 6, "hardly a rule was broken: {heard:?}");
}

/// The reader's own table of quantities has many in one object, of which the server judges some.
#[tokio::test]
async fn every_quantity_is_judged_alike() {
    let client = ready().await;
    let mut apart = Vec::new();
    for (field, words) in [("rate", RATES), ("burst", SIZES)] {
        for word in words.split(' ') {
            let text = format!(
                "apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {{name: one}}\nspec: {{pool: default, {field}: \"{word}\"}}\n"
            );
            if parse("", &text).problems.is_empty() != refusal(&client, &text).await.is_none() {
                apart.push(word);
            }
        }
    }
    assert_eq!(apart, Vec::<&str>::new());
}

const RATES: &str = "1/s 64/min 24/d 1/h 8Ki/250ms 64/7s 64/6s 1k/86400s 1k/86401s 1/0s 1/2d 10G/s 10000000001/s 11G/s 9Gi/s 10Gi/s \
    1Mi/ms 600G/min 601G/min 864T/d 1/86400000ms 999999999999999/d 1000000000000000/d 0/s 00/s 01/s 1/ms 1/us 1/m 64 64Ki 64K/s 64m/s /s";
const SIZES: &str = "1 64 4Ki 4Gi 4G 5G 5Gi 4294967296 4294967297 999999999999999 1000000000000000 0 00 1.5Ki 4KiB 4K 4m 64/s -1 +1 1e3 0x10";

impl Verdicts {
    fn causes(&self) -> &[StatusCause] {
        self.servers.as_ref().map_or(&[], |refusal| &refusal.causes)
    }

    /// What our reader says of a field, or of the block that it is missing with.
    fn about(&self, field: &str) -> Option<&String> {
        let (field, block) =
            (format!(" {field}"), format!(" {}: ", field.split('.').next().unwrap_or(field)));
        self.ours.iter().find(|said| said.contains(&field) || said.contains(&block))
    }

    fn table(&self) -> String {
        let mut table = format!("== {}\n", self.document);
        let mut line = |whose: &str, said: &str| writeln!(table, "{whose} {said}").unwrap();
        self.ours.iter().for_each(|said| line("   ours:", said));
        for cause in self.causes() {
            line(" server:", &format!("{}: {}", cause.field, cause.message));
        }
        if let Some(refusal) = self.servers.as_ref().filter(|refusal| refusal.causes.is_empty()) {
            line(" server:", &refusal.message);
        }
        table
    }
}

async fn ready() -> Client {
    server().client().await.unwrap()
}

async fn verdicts() -> Vec<Verdicts> {
    let client = ready().await;
    let mut all = Vec::new();
    for file in table() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for (number, text) in documents(&fs::read_to_string(&file).unwrap()).into_iter().enumerate() {
            let document = format!("{name}/{}", number + 1);
            let manifest = parse("", &text);
            let ours = manifest.problems.iter().chain(&manifest.ignored).map(ToString::to_string).collect();
            all.push(Verdicts { document, ours, servers: refusal(&client, &text).await });
        }
    }
    all
}

fn table() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/tests/bad");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn documents(text: &str) -> Vec<String> {
    text.split("\n---\n").map(|part| format!("{part}\n")).collect()
}

/// What the server says when the text itself is sent to it; None when it takes it.
async fn refusal(client: &Client, text: &str) -> Option<Refusal> {
    // A kind that the server has not is another question than the one asked here; a class's place takes any.
    let plural = if text.contains("kind: EntropyPool") { "entropypools" } else { "entropyclasses" };
    let path = format!("/apis/entropool.io/v1alpha1/{plural}");
    let mut request =
        kube::core::Request::new(path.as_str()).create(&PostParams::default(), text.into()).unwrap();
    *request.uri_mut() = format!("{path}?dryRun=All&fieldValidation=Strict").parse().unwrap();
    request.headers_mut().insert("content-type", "application/yaml".parse().unwrap());
    match client.request_text(request).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            let mut causes = status.details.map(|details| details.causes).unwrap_or_default();
            // The server goes through a map.
            causes.sort_by(|one, other| (&one.field, &one.message).cmp(&(&other.field, &other.message)));
            Some(Refusal { message: status.message, causes })
        }
        Err(error) => panic!("the server was not asked: {error}"),
    }
}

/// The sentences of all rules in both schemas.
fn rules() -> BTreeSet<String> {
    let schemas = api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
    let mut rules = BTreeSet::new();
    schemas.for_each(|schema| collect(&schema, &mut rules));
    rules
}

fn collect(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        into.extend(rule["message"].as_str().map(str::to_owned));
    }
    match schema {
        serde_json::Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}
