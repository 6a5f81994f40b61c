//! What a user of `kubectl` finds: the kinds explained, listed, applied twice, and kept as written.

use serde_json::Value;

use super::server;

const POOL: &str = "\
apiVersion: entropool.io/v1alpha1
kind: EntropyPool
metadata: {name: listed}
spec: {rate: 512Ki/s}
";
const CLASS: &str = "\
apiVersion: entropool.io/v1alpha1
kind: EntropyClass
metadata: {name: listed-gold}
spec: {pool: listed, rate: 64Ki/s, perVM: {rate: 1Ki/s}}
";
const APPLY: [&str; 5] =
    ["apply", "--server-side", "--field-manager=somebody", "--filename=-", "--output=name"];

fn apply(text: &str) -> Result<String, String> {
    let output = server().feed(APPLY, text).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn both_kinds_are_served_without_a_warning() {
    for kind in ["entropypools", "entropyclasses"] {
        let crd: Value = serde_json::from_str(
            &server().said(["get", "crd", &format!("{kind}.entropool.io"), "--output=json"]).unwrap(),
        )
        .unwrap();
        let conditions = crd["status"]["conditions"].as_array().unwrap();
        let holds = |name: &str| conditions.iter().any(|one| one["type"] == name && one["status"] == "True");
        assert!(holds("Established") && holds("NamesAccepted"), "{conditions:#?}");
        assert!(!holds("NonStructuralSchema"), "{conditions:#?}");
    }
    // The cost of every rule was estimated when the kinds were stored; one over budget is refused there.
    let output =
        server().kubectl(["apply", "--server-side", "--filename", "../deploy/crds"]).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_field_is_explained() {
    for crd in api::crds() {
        let kind = crd.spec.names.plural;
        let text = server().said(["explain", &format!("{kind}.spec")]).unwrap();
        let schema = crd.spec.versions[0].schema.as_ref().and_then(|one| one.open_api_v3_schema.as_ref());
        for name in schema.unwrap().properties.as_ref().unwrap()["spec"].properties.as_ref().unwrap().keys() {
            let (_, rest) =
                text.split_once(&format!("\n  {name}\t")).unwrap_or_else(|| panic!("{name}: {text}"));
            let description = rest.lines().skip(1).find(|line| !line.trim().starts_with("enum:")).unwrap();
            assert!(description.trim().len() > 20, "{kind} {name}: {description:?}");
            assert!(!description.contains("no description"), "{kind} {name}: {description:?}");
        }
    }
}

#[test]
fn a_list_has_the_columns_that_answer_questions() {
    apply(POOL).unwrap();
    apply(CLASS).unwrap();
    let list = |words: &[&str]| {
        let text = server().said(words).unwrap();
        // The age is the one column that changes.
        let lines =
            text.lines().map(|line| line.rsplit_once(' ').map_or(line, |(columns, _)| columns).trim_end());
        lines.collect::<Vec<_>>().join("\n")
    };
    let lists = ["epool/listed", "eclass/listed-gold"]
        .map(|object| format!("{}\n\n{}\n", list(&["get", object]), list(&["get", object, "--output=wide"])));
    insta::assert_snapshot!(lists.join("\n"));
    let all = server().said(["get", "entropool", "--output=name"]).unwrap();
    assert!(all.contains("entropypool.entropool.io/listed\n"), "{all}");
}

#[test]
fn what_was_written_is_kept_and_defaults_are_shown() {
    let text = POOL.replace("listed", "kept").replace("512Ki/s", "524288/s");
    apply(&text).unwrap();
    let pool: Value =
        serde_json::from_str(&server().said(["get", "epool", "kept", "--output=json"]).unwrap()).unwrap();
    assert_eq!(pool["spec"]["rate"], "524288/s");
    assert_eq!(pool["spec"]["output"], "Stretched");
    assert_eq!(pool["spec"]["sources"][0]["name"], "kernel");
}

#[test]
fn two_writers_of_one_field_are_told_of_each_other() {
    let text = CLASS.replace("listed-gold", "contested");
    apply(&text).unwrap();
    let other = text.replace("64Ki/s", "32Ki/s");
    let words = ["apply", "--server-side", "--field-manager=another", "--filename=-"];
    let output = server().feed(words, &other).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("conflict with \"somebody\": .spec.rate"), "{complaint}");
}

#[test]
fn one_field_of_a_class_can_be_another_writers() {
    let text = CLASS.replace("listed-gold", "shared");
    apply(&text).unwrap();
    let other = "apiVersion: entropool.io/v1alpha1\nkind: EntropyClass\nmetadata: {name: shared}\nspec: {pool: listed, weight: 7}\n";
    let words = ["apply", "--server-side", "--field-manager=autoscaler", "--filename=-"];
    assert!(server().feed(words, other).unwrap().status.success());
    apply(&text).unwrap();
    let spec =
        server().said(["get", "eclass", "shared", "--output=jsonpath={.spec.weight} {.spec.rate}"]).unwrap();
    assert_eq!(spec, "7 64Ki/s");
}

#[test]
fn a_class_stays_in_its_pool() {
    let text = CLASS.replace("listed-gold", "settled");
    apply(&text).unwrap();
    let complaint = apply(&text.replace("pool: listed", "pool: other")).unwrap_err();
    assert!(
        complaint.contains("the pool of a class cannot be changed: create a class in the other pool instead"),
        "{complaint}"
    );
}

#[test]
fn only_who_may_write_status_writes_it() {
    apply(&POOL.replace("listed", "true-to-life")).unwrap();
    let patch = r#"{"status": {"vms": 9}}"#;
    server().said(["patch", "epool", "true-to-life", "--type=merge", "--patch", patch]).unwrap();
    let status = server().said(["get", "epool", "true-to-life", "--output=jsonpath={.status}"]).unwrap();
    assert_eq!(status, "", "a spec's writer wrote the status");
}
