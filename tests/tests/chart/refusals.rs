//! Mistakes in values are refused before anything is installed, by a line that names the value.

use super::text;

#[test]
fn a_wrong_value_is_refused_and_named() {
    for (wrong, words) in [
        ("agent.allowUpstreams={bogus}", "'/agent/allowUpstreams/0': 'bogus' does not match pattern"),
        (
            "agent.tolerations[0].opperator=Exists",
            "'/agent/tolerations/0': additional properties 'opperator' not allowed",
        ),
        (
            "image.registry=https://registry.example.org",
            "'/image/registry': 'https://registry.example.org' does not match pattern",
        ),
        ("controler.replicas=3", "additional properties 'controler' not allowed"),
        ("controller.image=https://registry.example.org/a", "'/controller/image'"),
        ("controller.replicas=0", "'/controller/replicas': minimum: got 0, want 1"),
        ("controller.updateStrategy.type=OnDelete", "must be one of 'RollingUpdate', 'Recreate'"),
        ("controller.affinity.podAntiAfinity=", "additional properties 'podAntiAfinity' not allowed"),
        ("controller.topologySpreadConstraints[0].maxSkew=1", "missing properties 'topologyKey'"),
        ("controller.podDisruptionBudget.minAvailable=many", "'many' does not match pattern"),
        ("controller.resources.limits.memory=64MB", "'/controller/resources/limits/memory'"),
        ("controller.ports.http=0", "'/controller/ports/http': minimum: got 0, want 1"),
        ("controller.extraEnv[0].nane=A", "'/controller/extraEnv/0'"),
        ("controller.extraVolumes[0].name=a", "'/controller/extraVolumes/0': minProperties"),
        ("agent.extraArgs={allow}", "'/agent/extraArgs/0': 'allow' does not match pattern"),
        ("agent.podLabels.a=b c", "'/agent/podLabels/a': 'b c' does not match pattern"),
        ("webhooks.timeoutSeconds=60", "'/webhooks/timeoutSeconds': maximum: got 60, want 30"),
        ("webhooks.failurePolicy=fail", "must be one of 'Fail', 'Ignore'"),
        ("tls.certManager.enabled=true", "'/tls/certManager/issuerRef/name': minLength"),
        ("hook.resources.limits.gpu=x", "'/hook/resources/limits/gpu'"),
        ("networkPolicy.metricsFrom[0].pods=all", "'/networkPolicy/metricsFrom/0'"),
        ("metrics.serviceMonitor.interval=often", "'often' does not match pattern"),
        ("metrics.prometheusRule.runbookUrl=docs", "'docs' does not match pattern"),
        ("fullnameOverride=Rations", "'/fullnameOverride': 'Rations' does not match pattern"),
    ] {
        let refused = text(&["--set", wrong]).expect_err(wrong).to_string();
        assert!(refused.contains(words), "{wrong}: {refused}");
    }
}

#[test]
fn values_that_exclude_each_other_are_refused() {
    for (wrong, words) in [
        (
            "tls.existingSecret=a,tls.certManager.enabled=true,tls.certManager.issuerRef.name=b",
            "tls.existingSecret and tls.certManager.enabled exclude each other: set one of them",
        ),
        (
            "metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true",
            "metrics.serviceMonitor and metrics.podMonitor would scrape the same pods: enable one of them",
        ),
    ] {
        let refused = text(&["--set", wrong]).expect_err(wrong).to_string();
        assert!(refused.contains(words), "{wrong}: {refused}");
    }
}
