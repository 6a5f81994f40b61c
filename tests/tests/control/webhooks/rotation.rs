//! Another certificate authority while questions come.

use entropool_tests::cluster::NAMESPACE;
use serde_json::json;

use super::Stage;
use super::objects::{dry, machine};

#[test]
fn another_authority_is_trusted_at_once_and_no_controller_was_restarted() {
    let stage = Stage::with("v1.6.0", "Sidecar");
    let api = stage.api;
    let vm = machine("web", &json!({"annotations": {"entropool.io/pool": "default"}}));
    dry(api, &vm).unwrap();
    let before = api.bundles().unwrap();
    api.said(["delete", "secret", "entropool-ca", "-n", NAMESPACE]).unwrap();
    api.wait_for_bundles(|bundles| bundles.iter().zip(&before).all(|(now, before)| now != before)).unwrap();
    dry(api, &vm).unwrap();

    // What an upgrade or an edit takes away comes back.
    let cut = r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]"#;
    api.said(["patch", "validatingwebhookconfiguration", "entropool", "--type=json", "-p", cut]).unwrap();
    api.wait_for_bundles(|bundles| bundles.iter().all(|bundle| bundle == &bundles[0])).unwrap();
    dry(api, &vm).unwrap();
}
