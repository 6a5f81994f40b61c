//! What a review of a token must say before its bearer is an agent.

use std::collections::BTreeMap;

use api::names::TOKEN_AUDIENCE;
use delivery::Refusal;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;

/// An agent, as its token proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// The node it runs on; its configuration is this node's, whatever it says.
    pub(crate) node: String,
    /// Its pod.
    pub(crate) pod: String,
    /// The pod's uid: a pod of the same name that comes later is another agent.
    pub(crate) uid: String,
}

const POD: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE: &str = "authentication.kubernetes.io/node-name";

/// The agent, if all of it holds: the API server knows the token, it was made for us, it is the agents' account's,
/// and it is bound to one pod on one node. `account` is `system:serviceaccount:NAMESPACE:NAME`.
pub(crate) fn agent(review: TokenReviewStatus, account: &str) -> Result<Agent, Refusal> {
    if review.authenticated != Some(true) {
        let why = review.error.unwrap_or_else(|| "it is unknown, expired, or its pod is gone".to_owned());
        return Err(denied("TokenRejected", format!("the API server does not accept the token: {why}")));
    }
    if !review.audiences.iter().flatten().any(|audience| audience == TOKEN_AUDIENCE) {
        return Err(denied(
            "WrongAudience",
            format!("the token is for somebody else: project one with audience: {TOKEN_AUDIENCE}"),
        ));
    }
    let user = review.user.unwrap_or_default();
    let name = user.username.unwrap_or_default();
    if name != account {
        return Err(denied("WrongAccount", format!("the token is of {name}: agents run as {account}")));
    }
    let extra = user.extra.unwrap_or_default();
    Ok(Agent { node: bound(&extra, NODE)?, pod: bound(&extra, POD)?, uid: bound(&extra, POD_UID)? })
}

/// One claim that must have exactly one value.
fn bound(extra: &BTreeMap<String, Vec<String>>, claim: &str) -> Result<String, Refusal> {
    match extra.get(claim).map(Vec::as_slice) {
        Some([value]) if !value.is_empty() => Ok(value.clone()),
        Some([_, _, ..]) => Err(denied("NotBound", format!("the token has more than one {claim}"))),
        _ => Err(denied(
            "NotBound",
            format!(
                "the token has no {claim}: it must be projected into the agent's pod (Kubernetes 1.32 or newer)"
            ),
        )),
    }
}

fn denied(reason: &str, message: String) -> Refusal {
    Refusal::new(reason, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    const ACCOUNT: &str = "system:serviceaccount:entropool-system:entropool-agent";

    fn review() -> TokenReviewStatus {
        let one = |key: &str, value: &str| (key.to_owned(), vec![value.to_owned()]);
        let extra = BTreeMap::from([one(POD, "agent-x"), one(POD_UID, "u-1"), one(NODE, "n1")]);
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(vec![TOKEN_AUDIENCE.to_owned()]),
            user: Some(UserInfo {
                username: Some(ACCOUNT.to_owned()),
                extra: Some(extra),
                ..UserInfo::default()
            }),
            error: None,
        }
    }

    #[test]
    fn a_good_token_names_its_node_and_pod() {
        let agent = agent(review(), ACCOUNT).unwrap();
        assert_eq!((&*agent.node, &*agent.pod, &*agent.uid), ("n1", "agent-x", "u-1"));
    }

    #[test]
    fn anything_less_is_no_agent() {
        type Spoil = fn(&mut TokenReviewStatus);
        fn extra(review: &mut TokenReviewStatus) -> &mut BTreeMap<String, Vec<String>> {
            review.user.as_mut().unwrap().extra.as_mut().unwrap()
        }
        let spoils: [(&str, Spoil); 17] = [
            ("TokenRejected", |it| it.authenticated = None),
            ("TokenRejected", |it| it.authenticated = Some(false)),
            ("TokenRejected", |it| *it = TokenReviewStatus::default()),
            ("WrongAudience", |it| it.audiences = None),
            ("WrongAudience", |it| it.audiences = Some(vec![])),
            ("WrongAudience", |it| it.audiences = Some(vec!["https://kubernetes.default.svc".to_owned()])),
            ("WrongAccount", |it| it.user = None),
            ("WrongAccount", |it| it.user.as_mut().unwrap().username = None),
            ("WrongAccount", |it| it.user.as_mut().unwrap().username = Some("system:admin".to_owned())),
            ("WrongAccount", |it| {
                it.user.as_mut().unwrap().username =
                    Some("system:serviceaccount:tenant:entropool-agent".to_owned());
            }),
            ("NotBound", |it| it.user.as_mut().unwrap().extra = None),
            ("NotBound", |it| drop(extra(it).remove(NODE))),
            ("NotBound", |it| drop(extra(it).remove(POD))),
            ("NotBound", |it| drop(extra(it).remove(POD_UID))),
            ("NotBound", |it| extra(it).get_mut(NODE).unwrap().push("n2".to_owned())),
            ("NotBound", |it| extra(it).get_mut(NODE).unwrap().clear()),
            ("NotBound", |it| extra(it).insert(NODE.to_owned(), vec![String::new()]).map_or((), drop)),
        ];
        for (number, (reason, spoil)) in spoils.into_iter().enumerate() {
            let mut review = review();
            spoil(&mut review);
            let refusal = agent(review, ACCOUNT).unwrap_err();
            assert_eq!(refusal.reason, reason, "{number}: {}", refusal.message);
        }
    }
}
