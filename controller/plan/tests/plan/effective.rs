//! Computed defaults, and which figures are in effect.

use crate::cluster::{Cluster, json};

#[test]
fn what_is_left_out_is_computed() {
    let cluster = Cluster::host().write(
        "pool plain: {}
         pool capped: {ceil: 1Mi/s, cburst: 9Ki}
         class bare: {pool: capped}
         class paid: {pool: capped, rate: 500Ki/s, ceil: 2Mi/s, weight: 1}
         class gold: {pool: capped, parent: paid, rate: 65536/s, perVM: {rate: 3Ki/s, ceil: 4Mi/s}, perNamespace: {ceil: 9Mi/s}, weight: 10000}
         class mean: {pool: capped, parent: paid, ceil: 64/min, perVM: {burst: 1}, maxVMs: 3}",
    );
    assert_eq!(cluster.messages(), [""; 0]);
    let plan = cluster.plan();
    let pools = plan.pools.iter().map(|(name, pool)| (name, json(&pool.effective), json(&pool.assured)));
    let classes =
        plan.classes.iter().map(|(name, class)| (name, json(&class.effective), json(&class.assured)));
    let lines =
        pools.chain(classes).map(|(name, effective, assured)| format!("{name}: {effective}\n  {assured}"));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_assessment_is_shown_in_status() {
    let source = "{name: trng, device: {path: /dev/hwrng}, assessment: ESV E123}";
    let cluster = Cluster::host()
        .write(&format!("pool default: {{sources: [{source}, {{name: kernel, kernel: {{}}}}]}}"));
    let status = cluster.plan().pools["default"].status(&plan::Aggregate::default());
    assert_eq!(json(&status.sources), r#"[{"name":"trng","assessment":"ESV E123"}]"#);
}
