//! The checks of a cluster.

use std::collections::BTreeMap;

use api::{Condition, ConditionStatus, ConditionType};
use kube::ResourceExt;
use webhook::InjectionMethod;

use super::inputs::{ClusterInputs, CsiDriverState, ListResult};
use super::leader::Leader;
use crate::check::{CheckLevel, CheckResult, DaemonState, check_daemon, results};

/// All checks, in the order in which an administrator would make them.
pub(super) fn cluster(inputs: &ClusterInputs) -> Vec<CheckResult> {
    [
        objects(inputs),
        controller(&inputs.leader),
        nodes(&inputs.nodes),
        driver(&inputs.driver),
        webhooks(&inputs.webhooks),
        kubevirt(&inputs.kubevirt),
        agents(&inputs.agents),
    ]
    .concat()
}

/// The warning for an object that could not be read: it may be valid.
fn unknown(check: &'static str, why: &str) -> Vec<CheckResult> {
    vec![CheckResult { check, level: CheckLevel::Warning, message: why.to_owned() }]
}

fn objects(inputs: &ClusterInputs) -> Vec<CheckResult> {
    let (pools, classes) = match (&inputs.pools, &inputs.classes) {
        (Ok(pools), Ok(classes)) => (pools, classes),
        (Err(why), _) | (_, Err(why)) => {
            let problem = format!("{why}: install the chart, or `entropool crds` and `kubectl apply` them");
            return results("kinds", "", CheckLevel::Error, vec![problem]);
        }
    };
    let pools =
        pools.iter().map(|pool| ("pool", pool.name_any(), pool.status.as_ref().map(|it| &*it.conditions)));
    let classes = classes
        .iter()
        .map(|class| ("class", class.name_any(), class.status.as_ref().map(|it| &*it.conditions)));
    let problems: Vec<_> = pools
        .chain(classes)
        .filter_map(|(kind, name, conditions)| not_ready(kind, &name, conditions))
        .collect();
    let of =
        |level| problems.iter().filter(|(it, _)| *it == level).map(|(_, message)| message.clone()).collect();
    [
        results("kinds", "both kinds are installed", CheckLevel::Error, Vec::new()),
        results(
            "objects",
            "every pool and class is served as promised",
            CheckLevel::Error,
            of(CheckLevel::Error),
        ),
        results(
            "programmed",
            "every pool and class has its status",
            CheckLevel::Warning,
            of(CheckLevel::Warning),
        ),
    ]
    .concat()
}

fn not_ready(kind: &str, name: &str, conditions: Option<&[Condition]>) -> Option<(CheckLevel, String)> {
    let ready = conditions.unwrap_or_default().iter().find(|it| it.kind == ConditionType::Ready);
    let Some(ready) = ready else {
        return Some((
            CheckLevel::Warning,
            format!("{kind} {name} has no status yet: is a controller running?"),
        ));
    };
    let problem = |level| Some((level, format!("{kind} {name}: {:?}: {}", ready.reason, ready.message)));
    match ready.status {
        ConditionStatus::True => None,
        ConditionStatus::False => problem(CheckLevel::Error),
        ConditionStatus::Unknown => problem(CheckLevel::Warning),
    }
}

fn controller(leader: &ListResult<Option<Leader>>) -> Vec<CheckResult> {
    let problem = match leader {
        Err(why) => return unknown("controller", why),
        Ok(None) => "no controller has ever led here: check the pods of entropool-controller".to_owned(),
        Ok(Some(Leader { name, silent: Some(seconds) })) => format!(
            "controller {name} did not renew its Lease for {seconds} s; nodes keep the configuration they have: check \
             the pods of entropool-controller"
        ),
        Ok(Some(Leader { name, silent: None })) => {
            return results("controller", &format!("{name} leads"), CheckLevel::Error, Vec::new());
        }
    };
    results("controller", "", CheckLevel::Error, vec![problem])
}

fn nodes(nodes: &ListResult<Vec<(String, String)>>) -> Vec<CheckResult> {
    let nodes = match nodes {
        Err(why) => return unknown("nodes", why),
        Ok(nodes) if nodes.is_empty() => {
            let problem = "no node has an agent: check the pods of entropool-agent".to_owned();
            return results("nodes", "", CheckLevel::Error, vec![problem]);
        }
        Ok(nodes) => nodes,
    };
    let not_ready = nodes.iter().filter(|(_, state)| state != "ready").map(|(node, state)| {
        format!(
            "the agent of node {node} is {state}; its VMs are still served, but new ones are not scheduled there: see the \
             Events of `kubectl describe node {node}` and its pod, or run `kubectl label node {node} entropool.io/agent-` \
             if it will not come back"
        )
    });
    results("nodes", "every agent is ready", CheckLevel::Error, not_ready.collect())
}

fn driver(driver: &ListResult<Option<CsiDriverState>>) -> Vec<CheckResult> {
    let problem = match driver {
        Err(why) => return unknown("csi-driver", why),
        Ok(None) => Some("there is no CSIDriver csi.entropool.io, so pods get no socket: install the chart"),
        Ok(Some(CsiDriverState { pod_info_on_mount: false, .. })) => Some(
            "the CSIDriver csi.entropool.io lacks podInfoOnMount: true, so no volume is published: apply the chart's",
        ),
        Ok(Some(CsiDriverState { ephemeral: false, .. })) => Some(
            "the CSIDriver csi.entropool.io lacks the volumeLifecycleMode Ephemeral, so no pod may use it: apply the \
             chart's",
        ),
        Ok(Some(_)) => None,
    };
    results(
        "csi-driver",
        "pods can have sockets",
        CheckLevel::Error,
        problem.map(str::to_owned).into_iter().collect(),
    )
}

fn webhooks(webhooks: &ListResult<[Option<bool>; 2]>) -> Vec<CheckResult> {
    let webhooks = match webhooks {
        Err(why) => return unknown("webhooks", why),
        Ok(webhooks) => webhooks,
    };
    let kinds = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
    let problems = kinds.iter().zip(webhooks).filter_map(|(kind, has_bundle)| match has_bundle {
        Some(true) => None,
        Some(false) => Some(format!(
            "the {kind} entropool has no caBundle yet, so VMs that name a pool cannot be created: is a controller running?"
        )),
        None => Some(format!(
            "there is no {kind} entropool, so VMs that name a pool get no socket: install the chart"
        )),
    });
    results("webhooks", "the API server calls them", CheckLevel::Error, problems.collect())
}

fn kubevirt(kubevirt: &ListResult<Option<serde_json::Value>>) -> Vec<CheckResult> {
    let ok = |message: &str| results("kubevirt", message, CheckLevel::Warning, Vec::new());
    match kubevirt {
        Err(why) => unknown("kubevirt", why),
        Ok(None) => ok("it is not installed; pods draw by a volume"),
        // The image of a sidecar makes no difference here.
        Ok(Some(object)) => match InjectionMethod::of(Some(object), Some("")) {
            InjectionMethod::Plugin => ok("domains are changed by its Plugin"),
            InjectionMethod::Sidecar { .. } => ok("domains are changed by a hook sidecar"),
            InjectionMethod::None(why) => {
                let problem = format!("VMs that name a pool are refused: {why}");
                results("kubevirt", "", CheckLevel::Warning, vec![problem])
            }
        },
    }
}

/// The checks of all agents. One that is ok on all nodes is reported once.
fn agents(agents: &ListResult<Vec<(String, ListResult<DaemonState>)>>) -> Vec<CheckResult> {
    let agents = match agents {
        Err(why) => return unknown("agents", why),
        Ok(agents) => agents,
    };
    let silent =
        agents.iter().filter_map(|(node, state)| Some(format!("node {node}: {}", state.as_ref().err()?)));
    let mut found = results("agents", "every agent answers", CheckLevel::Warning, silent.collect());
    let mut ok = BTreeMap::new();
    let mut problems = Vec::new();
    for (node, state) in agents.iter().filter_map(|(node, state)| Some((node, state.as_ref().ok()?))) {
        for result in check_daemon(state) {
            match result.level {
                CheckLevel::Ok => drop(ok.insert(result.check, result)),
                CheckLevel::Warning | CheckLevel::Error => {
                    problems
                        .push(CheckResult { message: format!("node {node}: {}", result.message), ..result });
                }
            }
        }
    }
    ok.retain(|check, _| !problems.iter().any(|result| result.check == *check));
    found.extend(ok.into_values());
    found.extend(problems);
    found
}
