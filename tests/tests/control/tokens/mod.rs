//! Whose token is not an agent's of that very node gets no configuration, whatever the token is.

pub(crate) mod forge;
mod rate_limits;

use entropool_tests::cluster::{ApiServer, Controller, NAMESPACE};
use serde_json::{Value, json};
use tonic::{Code, Status};

use self::forge::{Forge, Parts};
use crate::grpc_client;
use crate::kubectl::{apply, class, cluster, pool};

const WORKLOAD: &str = "kubernetes.io";

/// An API server with two nodes' agents' pods, and pods that are none of an agent.
fn scene() -> (ApiServer, Controller) {
    let api = cluster(&[]);
    let controller = Controller::start(&api, "only").unwrap();
    for node in ["n1", "n2", "gone"] {
        api.add_node(node).unwrap();
    }
    let pod = |name: &str, account: &str, node: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {NAMESPACE}}}, spec: {{{node}serviceAccountName: \
             {account}, containers: [{{name: a, image: none}}]}}}}\n"
        )
    };
    apply(
        &api,
        &(pod("other", "entropool-controller", "nodeName: n1, ")
            + &pod("unbound", "entropool-agent", "")
            + &pool("32Ki/s")
            + &class("gold", "rate: 8Ki/s")),
    );
    (api, controller)
}

fn token(api: &ApiServer, account: &str, more: &[&str]) -> String {
    let words = ["create", "token", account, "--namespace", NAMESPACE];
    api.said(words.iter().chain(more)).unwrap().trim_end().to_owned()
}

fn bearer(token: &str) -> Vec<String> {
    vec![format!("Bearer {token}")]
}

type Row = (&'static str, Vec<String>);

#[tokio::test]
async fn none_of_forty_bad_tokens_is_accepted_and_the_good_one_is() {
    let (api, controller) = scene();
    let good = api.agent_token("n1").unwrap().trim_end().to_owned();
    let parts = Parts::of(&good);
    let forge = Forge::of(&api);
    let mut rows = shapes(&good);
    rows.extend(signatures(&parts, &forge, &api));
    rows.extend(claims(&parts, &forge));
    rows.extend(others(&api));
    rows.extend(of_pods_that_are_gone(&api, &controller).await);
    assert!(rows.len() >= 40, "{}", rows.len());

    let tls = grpc_client::tls(&api.controllers_authority().unwrap());
    for (what, headers) in &rows {
        let channel = grpc_client::channel(controller.agents, tls.clone()).await;
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        let refused = grpc_client::subscribe(channel, &headers, "n1").await.err();
        let denied = |status: &Status| status.code() == Code::Unauthenticated || is_too_long(status);
        assert!(refused.as_ref().is_some_and(denied), "{what}: {refused:?}");
    }
    // The same, unchanged: what was refused was refused for what was changed.
    for good in [good, forge.sign(&parts)] {
        let channel = grpc_client::channel(controller.agents, tls.clone()).await;
        let foreign = grpc_client::subscribe(channel.clone(), &[&format!("Bearer {good}")], "n2").await.err();
        assert_eq!(foreign.map(|status| status.code()), Some(Code::PermissionDenied), "for another's node");
        assert!(grpc_client::subscribe(channel, &[&format!("Bearer {good}")], "n1").await.is_ok());
    }
    println!("{} bad tokens, none accepted", rows.len());
    rate_limits::of_reviews(&api, &forge, &parts).await;
}

/// Headers beyond their limit are refused before anybody looks at them.
fn is_too_long(status: &Status) -> bool {
    status.message().contains("HTTP status code 431")
}

/// What is no token at all.
fn shapes(good: &str) -> Vec<Row> {
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let own = |header: &str| vec![header.to_owned()];
    vec![
        ("no header", Vec::new()),
        ("an empty header", own("")),
        ("an empty token", own("Bearer ")),
        ("no scheme", own(good)),
        ("another scheme", own(&format!("Basic {good}"))),
        ("a token twice", [bearer(good), bearer(good)].concat()),
        ("a space within", own(&format!("Bearer {header} .{claims}.{signature}"))),
        ("something behind", own(&format!("Bearer {good} x"))),
        ("too long", bearer(&"x".repeat(17 << 10))),
        ("garbage", bearer("garbage")),
        ("one part", bearer(header)),
        ("two parts", bearer(head)),
        ("four parts", bearer(&format!("{good}.{signature}"))),
        ("parts the wrong way round", bearer(&format!("{claims}.{header}.{signature}"))),
    ]
}

/// What the API server did not sign.
fn signatures(good: &Parts, forge: &Forge, api: &ApiServer) -> Vec<Row> {
    let with_header = |header: Value| Parts { header, ..good.clone() };
    let other_node = Parts::of(&api.agent_token("n2").unwrap());
    let flipped = {
        let mut bytes = good.signature.clone().into_bytes();
        bytes[40] = if bytes[40] == b'A' { b'B' } else { b'A' };
        Parts { signature: String::from_utf8(bytes).unwrap(), ..good.clone() }
    };
    let mut edited = good.clone();
    edited.claims["exp"] = json!(4_000_000_000_u64);
    let short = Parts { signature: good.signature[..20].to_owned(), ..good.clone() };
    vec![
        ("no signature", bearer(&good.unsigned())),
        ("alg none", bearer(&with_header(json!({"alg": "none"})).unsigned())),
        ("alg none, signed", bearer(&with_header(json!({"alg": "none"})).as_it_is())),
        ("alg HS256", bearer(&with_header(json!({"alg": "HS256"})).as_it_is())),
        ("alg ES256", bearer(&with_header(json!({"alg": "ES256"})).as_it_is())),
        ("a bit of the signature", bearer(&flipped.as_it_is())),
        ("half a signature", bearer(&short.as_it_is())),
        ("the signature of another's token", {
            bearer(&Parts { signature: other_node.signature, ..good.clone() }.as_it_is())
        }),
        ("claims changed after signing", bearer(&edited.as_it_is())),
        ("signed with a strange key", bearer(&Forge::strange().sign(good))),
        ("claims that are none", bearer(&forge.sign(&Parts { claims: json!("x"), ..good.clone() }))),
    ]
}

/// What the API server signed, as far as anybody can see, and would not have.
fn claims(good: &Parts, forge: &Forge) -> Vec<Row> {
    let with = |change: &dyn Fn(&mut Value)| bearer(&forge.with_claims(good, |claims| change(claims)));
    let without = |name: &str| {
        let name = name.to_owned();
        with(&move |claims| drop(claims.as_object_mut().unwrap().remove(&name)))
    };
    let bound = |what: &str, field: &str, value: Value| {
        let (what, field) = (what.to_owned(), field.to_owned());
        with(&move |claims| claims[WORKLOAD][&what][&field] = value.clone())
    };
    let unbound = |what: &str| {
        let what = what.to_owned();
        with(&move |claims| drop(claims[WORKLOAD].as_object_mut().unwrap().remove(&what)))
    };
    vec![
        ("expired", with(&|claims| claims["exp"] = json!(1_700_000_000))),
        ("not good yet", with(&|claims| claims["nbf"] = json!(4_000_000_000_u64))),
        ("of another cluster", with(&|claims| claims["iss"] = json!("https://other.example"))),
        ("for the API server", with(&|claims| claims["aud"] = json!(["https://kubernetes.default.svc"]))),
        ("for a longer audience", with(&|claims| claims["aud"] = json!(["controller.entropool.io.example"]))),
        ("for a shorter audience", with(&|claims| claims["aud"] = json!(["controller.entropool"]))),
        ("for nobody", with(&|claims| claims["aud"] = json!([]))),
        ("for whom, it does not say", without("aud")),
        ("of an account that is not there", bound("serviceaccount", "name", json!("nobody"))),
        ("of an account of the same name", bound("serviceaccount", "uid", json!("other"))),
        ("of another namespace", with(&|claims| claims[WORKLOAD]["namespace"] = json!("default"))),
        ("of a pod that is not there", bound("pod", "name", json!("entropool-agent-n9"))),
        ("of a pod of the same name", bound("pod", "uid", json!("other"))),
        ("of no pod", unbound("pod")),
        ("on no node", unbound("node")),
        ("on a node without a name", bound("node", "name", json!(""))),
        ("on another's node", bound("node", "name", json!("n2"))),
        ("on a node that is not there", bound("node", "name", json!("n9"))),
        ("with nothing of Kubernetes", without(WORKLOAD)),
    ]
}

/// What the API server made for others, or for something else.
fn others(api: &ApiServer) -> Vec<Row> {
    let audience = "--audience=controller.entropool.io";
    let of = |pod: &str| format!("--bound-object-name={pod}");
    let pod = "--bound-object-kind=Pod";
    vec![
        ("the agents' account, but no pod", bearer(&token(api, "entropool-agent", &[audience]))),
        (
            "of a node",
            bearer(&token(
                api,
                "entropool-agent",
                &[audience, "--bound-object-kind=Node", "--bound-object-name=n1"],
            )),
        ),
        (
            "for the API server, of an agent",
            bearer(&token(api, "entropool-agent", &[pod, &of("entropool-agent-n1")])),
        ),
        ("of the controller", bearer(&token(api, "entropool-controller", &[audience, pod, &of("other")]))),
        (
            "of a pod that is bound to no node",
            bearer(&token(api, "entropool-agent", &[audience, pod, &of("unbound")])),
        ),
    ]
}

/// Tokens that were good once, and were seen to be.
async fn of_pods_that_are_gone(api: &ApiServer, controller: &Controller) -> Vec<Row> {
    let (gone, replaced) = (api.agent_token("gone").unwrap(), api.agent_token("n2").unwrap());
    let tls = grpc_client::tls(&api.controllers_authority().unwrap());
    for (token, node) in [(&gone, "gone"), (&replaced, "n2")] {
        let channel = grpc_client::channel(controller.agents, tls.clone()).await;
        assert!(
            grpc_client::subscribe(channel, &[&format!("Bearer {}", token.trim_end())], node).await.is_ok()
        );
    }
    for pod in ["entropool-agent-gone", "entropool-agent-n2"] {
        api.said(["delete", "pod", pod, "--force", "--grace-period=0", "--namespace", NAMESPACE]).unwrap();
    }
    api.add_node("n2").unwrap();
    vec![
        ("of a pod that is deleted", bearer(gone.trim_end())),
        ("of a pod that another has replaced", bearer(replaced.trim_end())),
    ]
}
