//! What follows from it.

use std::collections::BTreeMap;

use api::{Condition, ConditionStatus, ConditionType};
use kube::ResourceExt;
use webhook::InjectionMethod;

use super::inputs::{ClusterInputs, CsiDriverState, Listed};
use super::lease::Leader;
use crate::check::{CheckResult, Level, RunningDaemon, all, judge_running};

/// All findings, in the order in which one would look.
pub(super) fn judge(facts: &ClusterInputs) -> Vec<CheckResult> {
    let mut findings = kinds(facts);
    findings.extend(controller(&facts.leader));
    findings.extend(nodes(&facts.nodes));
    findings.extend(driver(&facts.driver));
    findings.extend(hooks(&facts.hooks));
    findings.extend(kubevirt(&facts.kubevirt));
    findings.extend(agents(&facts.agents));
    findings
}

/// What could not be looked at may be right, for all that is known.
fn unseen(check: &'static str, why: &str) -> Vec<CheckResult> {
    vec![CheckResult { check, verdict: Level::Warning, message: why.to_owned() }]
}

fn kinds(facts: &ClusterInputs) -> Vec<CheckResult> {
    let (pools, classes) = match (&facts.pools, &facts.classes) {
        (Ok(pools), Ok(classes)) => (pools, classes),
        (Err(why), _) | (_, Err(why)) => {
            let bad = vec![format!("{why}: install the chart, or `entropool crds` and `kubectl apply` them")];
            return all("kinds", "", Level::Wrong, bad);
        }
    };
    let pools =
        pools.iter().map(|pool| ("pool", pool.name_any(), pool.status.as_ref().map(|it| &*it.conditions)));
    let classes = classes
        .iter()
        .map(|class| ("class", class.name_any(), class.status.as_ref().map(|it| &*it.conditions)));
    let said: Vec<_> = pools
        .chain(classes)
        .filter_map(|(kind, name, conditions)| not_ready(kind, &name, conditions))
        .collect();
    let (wrong, unknown): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|(verdict, _)| *verdict == Level::Wrong);
    let sentences = |of: Vec<(Level, String)>| of.into_iter().map(|(_, message)| message).collect();
    [
        all("kinds", "both kinds are installed", Level::Wrong, Vec::new()),
        all("objects", "every pool and class is served as promised", Level::Wrong, sentences(wrong)),
        all("programmed", "every pool and class has been looked at", Level::Warning, sentences(unknown)),
    ]
    .concat()
}

fn not_ready(kind: &str, name: &str, conditions: Option<&[Condition]>) -> Option<(Level, String)> {
    let ready = conditions.unwrap_or_default().iter().find(|it| it.kind == ConditionType::Ready);
    let Some(ready) = ready else {
        return Some((
            Level::Warning,
            format!("{kind} {name} was not looked at yet: is a controller running?"),
        ));
    };
    let told = |verdict| Some((verdict, format!("{kind} {name}: {:?}: {}", ready.reason, ready.message)));
    match ready.status {
        ConditionStatus::True => None,
        ConditionStatus::False => told(Level::Wrong),
        ConditionStatus::Unknown => told(Level::Warning),
    }
}

fn controller(leader: &Listed<Option<Leader>>) -> Vec<CheckResult> {
    let bad = match leader {
        Err(why) => return unseen("controller", why),
        Ok(None) => "no controller has ever led here: look at the pods of entropool-controller".to_owned(),
        Ok(Some(Leader { name, silent: Some(seconds) })) => format!(
            "controller {name} said nothing for {seconds} s; nodes go on with what they have: look at its pods"
        ),
        Ok(Some(Leader { name, silent: None })) => {
            return all("controller", &format!("{name} leads"), Level::Wrong, Vec::new());
        }
    };
    all("controller", "", Level::Wrong, vec![bad])
}

fn nodes(nodes: &Listed<Vec<(String, String)>>) -> Vec<CheckResult> {
    let nodes = match nodes {
        Err(why) => return unseen("nodes", why),
        Ok(nodes) if nodes.is_empty() => {
            let bad = "no node has an agent: look at the pods of entropool-agent".to_owned();
            return all("nodes", "", Level::Wrong, vec![bad]);
        }
        Ok(nodes) => nodes,
    };
    let bad = nodes.iter().filter(|(_, state)| state != "ready");
    let told = bad.map(|(node, state)| {
        format!(
            "the agent of node {node} is {state}; VMs there draw on, new ones are not placed there: look at the Events of \
             `kubectl describe node {node}` and at its pod, or `kubectl label node {node} entropool.io/agent-` if it will not \
             come back"
        )
    });
    all("nodes", "every agent is ready", Level::Wrong, told.collect())
}

fn driver(driver: &Listed<Option<CsiDriverState>>) -> Vec<CheckResult> {
    let bad = match driver {
        Err(why) => return unseen("csi-driver", why),
        Ok(None) => Some("there is no CSIDriver csi.entropool.io: no pod gets a socket; install the chart"),
        Ok(Some(CsiDriverState { tells_pods: false, .. })) => {
            Some("the CSIDriver has not podInfoOnMount: true, so no volume is published: apply the chart's")
        }
        Ok(Some(CsiDriverState { inline: false, .. })) => Some(
            "the CSIDriver lacks the volumeLifecycleMode Ephemeral, so no pod may use it: apply the chart's",
        ),
        Ok(Some(_)) => None,
    };
    all("csi-driver", "pods may have sockets", Level::Wrong, bad.map(str::to_owned).into_iter().collect())
}

fn hooks(hooks: &Listed<[Option<bool>; 2]>) -> Vec<CheckResult> {
    let hooks = match hooks {
        Err(why) => return unseen("webhooks", why),
        Ok(hooks) => hooks,
    };
    let bad = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"].iter().zip(hooks).filter_map(|(kind, hook)| match hook {
        Some(true) => None,
        Some(false) => Some(format!(
            "the {kind} entropool has no caBundle yet, so VMs that name a pool cannot be created: is a controller running?"
        )),
        None => Some(format!("there is no {kind} entropool, so VMs that name a pool get no socket: install the chart")),
    });
    all("webhooks", "the API server calls them", Level::Wrong, bad.collect())
}

fn kubevirt(kubevirt: &Listed<Option<serde_json::Value>>) -> Vec<CheckResult> {
    match kubevirt {
        Err(why) => unseen("kubevirt", why),
        Ok(None) => all("kubevirt", "it is not installed; pods draw by a volume", Level::Warning, Vec::new()),
        // Which image a sidecar has makes no difference here.
        Ok(Some(object)) => match InjectionMethod::of(Some(object), Some("")) {
            InjectionMethod::Plugin => {
                all("kubevirt", "domains are changed by its Plugin", Level::Warning, Vec::new())
            }
            InjectionMethod::Sidecar { .. } => {
                all("kubevirt", "domains are changed by a hook sidecar", Level::Warning, Vec::new())
            }
            InjectionMethod::None(why) => {
                all("kubevirt", "", Level::Warning, vec![format!("VMs that name a pool are refused: {why}")])
            }
        },
    }
}

/// What the agents say; each check once if all of them say the same good thing.
fn agents(agents: &Listed<Vec<(String, Listed<RunningDaemon>)>>) -> Vec<CheckResult> {
    let agents = match agents {
        Err(why) => return unseen("agents", why),
        Ok(agents) => agents,
    };
    let silent =
        agents.iter().filter_map(|(node, answer)| Some(format!("node {node}: {}", answer.as_ref().err()?)));
    let mut findings = all("agents", "every agent answers", Level::Warning, silent.collect());
    let judged =
        agents.iter().filter_map(|(node, answer)| Some((node, judge_running(answer.as_ref().ok()?))));
    let mut right = BTreeMap::new();
    let mut bad = Vec::new();
    for (node, finding) in judged.flat_map(|(node, findings)| findings.into_iter().map(move |it| (node, it)))
    {
        match finding.verdict {
            Level::Right => drop(right.insert(finding.check, finding)),
            _ => bad.push(CheckResult { message: format!("node {node}: {}", finding.message), ..finding }),
        }
    }
    right.retain(|check, _| !bad.iter().any(|finding| finding.check == *check));
    findings.extend(right.into_values());
    findings.extend(bad);
    findings
}
