//! Authentication of agents: what a token review must show before any part of a node's configuration is sent.
//!
//! Everything is checked, including what the API server should have checked: the audience, the service account, the
//! pod, its uid and its node. A missing claim is refused like a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use crate::message::Nack;

/// The audience of agents' tokens.
pub const AUDIENCE: &str = "controller.entropool.io";
/// The longest token that is reviewed. Those of the API server have less than 2 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1_024;

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// The result of a `TokenReview`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewedToken {
    pub authenticated: bool,
    /// Why the token is not authenticated.
    pub error: String,
    /// The requested audiences that the token is for.
    pub audiences: BTreeSet<String>,
    pub username: String,
    /// Further claims of the token.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The service account of agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAccount {
    /// The namespace of the agents' pods.
    pub namespace: String,
    pub service_account: String,
}

/// The identity of an agent, from its token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentIdentity {
    /// The node of its pod, whose configuration it receives.
    pub node: String,
    pub pod: String,
    /// The uid of the pod.
    pub uid: String,
}

/// The pod of that name in the namespace of the agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentPod {
    pub uid: String,
    /// The node it is bound to.
    pub node: String,
    pub service_account: String,
}

/// Why a client is not accepted as an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// There is no token, or one that is not worth a review.
    NoToken,
    /// The API server does not authenticate the token.
    NotAuthenticated {
        error: String,
    },
    WrongAudience,
    WrongServiceAccount {
        username: String,
    },
    /// A claim of agents' tokens is missing or duplicate.
    MissingClaim {
        claim: &'static str,
        count: usize,
    },
    UnknownPod {
        pod: String,
    },
    /// The pod is not the one that the token was issued for.
    OtherPod {
        pod: String,
        /// What differs.
        what: &'static str,
    },
    /// A token for reauthentication belongs to another agent.
    OtherAgent,
}

impl AuthError {
    /// The reason in logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "NoToken",
            Self::NotAuthenticated { .. } => "NotAuthenticated",
            Self::WrongAudience => "WrongAudience",
            Self::WrongServiceAccount { .. } => "WrongServiceAccount",
            Self::MissingClaim { .. } => "ClaimMissing",
            Self::UnknownPod { .. } => "UnknownPod",
            Self::OtherPod { .. } => "OtherPod",
            Self::OtherAgent => "OtherAgent",
        }
    }

    /// The refusal that is sent to the client.
    pub fn to_nack(&self) -> Nack {
        Nack::new(self.reason(), self.to_string())
    }
}

impl Display for AuthError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => {
                let max = MAX_TOKEN_BYTES;
                write!(f, "no token: `authorization: Bearer TOKEN`, of at most {max} bytes, is required")
            }
            Self::NotAuthenticated { error } => {
                write!(f, "the API server does not authenticate the token: {error}")
            }
            Self::WrongAudience => write!(f, "the token is not for the audience {AUDIENCE}"),
            Self::WrongServiceAccount { username } => {
                write!(f, "the token belongs to {username}, which is not the service account of the agents")
            }
            Self::MissingClaim { claim, count } => write!(
                f,
                "the token has the claim {claim} {count} times instead of once: it must be bound to a pod, by Kubernetes 1.32 \
                 or newer, or with the feature gate ServiceAccountTokenPodNodeInfo"
            ),
            Self::UnknownPod { pod } => write!(f, "there is no pod {pod} in the namespace of the agents"),
            Self::OtherPod { pod, what } => {
                write!(f, "pod {pod} is not the one that the token was issued for: its {what} differs")
            }
            Self::OtherAgent => f.write_str("the token does not belong to the agent that opened the stream"),
        }
    }
}

impl std::error::Error for AuthError {}

/// The token of an `authorization` header, if it is worth a review.
pub fn bearer(authorization: Option<&str>) -> Result<&str, AuthError> {
    let (scheme, token) = authorization.and_then(|value| value.split_once(' ')).ok_or(AuthError::NoToken)?;
    let is_printable = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
    let is_valid = scheme.eq_ignore_ascii_case("bearer") && is_plausible_token(token) && is_printable(token);
    if is_valid { Ok(token) } else { Err(AuthError::NoToken) }
}

/// Whether the length of a token is plausible.
pub fn is_plausible_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= MAX_TOKEN_BYTES
}

/// The agent that a review identifies.
pub fn identify(review: &ReviewedToken, agents: &AgentAccount) -> Result<AgentIdentity, AuthError> {
    if !review.authenticated {
        return Err(AuthError::NotAuthenticated { error: review.error.clone() });
    }
    // A reviewer that does not support audiences authenticates tokens for any of them.
    if !review.audiences.contains(AUDIENCE) {
        return Err(AuthError::WrongAudience);
    }
    if review.username != agents.username() {
        return Err(AuthError::WrongServiceAccount { username: review.username.clone() });
    }
    Ok(AgentIdentity {
        node: review.claim(NODE_NAME)?,
        pod: review.claim(POD_NAME)?,
        uid: review.claim(POD_UID)?,
    })
}

/// Checks that the pod of that name is the one that the token was issued for.
pub fn confirm(
    identity: &AgentIdentity,
    pod: Option<&AgentPod>,
    agents: &AgentAccount,
) -> Result<(), AuthError> {
    let pod = pod.ok_or_else(|| AuthError::UnknownPod { pod: identity.pod.clone() })?;
    let checks = [
        ("uid", pod.uid == identity.uid),
        ("node", pod.node == identity.node),
        ("service account", pod.service_account == agents.service_account),
    ];
    match checks.into_iter().find(|(_, holds)| !holds) {
        Some((what, _)) => Err(AuthError::OtherPod { pod: identity.pod.clone(), what }),
        None => Ok(()),
    }
}

impl AgentAccount {
    fn username(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

impl ReviewedToken {
    /// The value of a claim that must occur exactly once.
    fn claim(&self, claim: &'static str) -> Result<String, AuthError> {
        match self.extra.get(claim).map(Vec::as_slice) {
            Some([value]) if !value.is_empty() => Ok(value.clone()),
            Some([_]) | None => Err(AuthError::MissingClaim { claim, count: 0 }),
            Some(values) => Err(AuthError::MissingClaim { claim, count: values.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> AgentAccount {
        AgentAccount { namespace: "entropool".to_owned(), service_account: "entropool-agent".to_owned() }
    }

    fn good() -> ReviewedToken {
        let extra = [(POD_NAME, "agent-x"), (POD_UID, "u-1"), (NODE_NAME, "node-1")];
        ReviewedToken {
            authenticated: true,
            error: String::new(),
            audiences: BTreeSet::from([AUDIENCE.to_owned()]),
            username: "system:serviceaccount:entropool:entropool-agent".to_owned(),
            extra: extra.map(|(claim, value)| (claim.to_owned(), vec![value.to_owned()])).into(),
        }
    }

    fn pod() -> AgentPod {
        let owned = |text: &str| text.to_owned();
        AgentPod { uid: owned("u-1"), node: owned("node-1"), service_account: owned("entropool-agent") }
    }

    fn authenticate(review: &ReviewedToken, pod: Option<&AgentPod>) -> Result<String, &'static str> {
        let identity = identify(review, &agents()).map_err(|denied| denied.reason())?;
        confirm(&identity, pod, &agents()).map_err(|denied| denied.reason())?;
        Ok(identity.node)
    }

    fn changed(change: impl FnOnce(&mut ReviewedToken)) -> Result<String, &'static str> {
        let mut review = good();
        change(&mut review);
        authenticate(&review, Some(&pod()))
    }

    #[test]
    fn the_token_of_an_existing_pod_identifies_its_node() {
        assert_eq!(authenticate(&good(), Some(&pod())), Ok("node-1".to_owned()));
    }

    #[test]
    fn a_token_that_is_not_an_agents_is_denied() {
        assert_eq!(changed(|it| it.authenticated = false), Err("NotAuthenticated"));
        assert_eq!(changed(|it| it.audiences.clear()), Err("WrongAudience"));
        let others = || BTreeSet::from(["https://kubernetes.default.svc".to_owned()]);
        assert_eq!(changed(|it| it.audiences = others()), Err("WrongAudience"));
        for username in [
            "",
            "system:admin",
            "entropool-agent",
            "system:serviceaccount:entropool:default",
            "system:serviceaccount:other:entropool-agent",
            "system:serviceaccount:entropool:entropool-agent:x",
            "System:serviceaccount:entropool:entropool-agent",
        ] {
            let denied = changed(|it| username.clone_into(&mut it.username));
            assert_eq!(denied, Err("WrongServiceAccount"), "{username}");
        }
    }

    #[test]
    fn a_claim_occurs_exactly_once() {
        for claim in [POD_NAME, POD_UID, NODE_NAME] {
            let with = |values: &[&str]| {
                let values = values.iter().map(|value| (*value).to_owned()).collect();
                changed(|it| drop(it.extra.insert(claim.to_owned(), values)))
            };
            assert_eq!(changed(|it| drop(it.extra.remove(claim))), Err("ClaimMissing"), "{claim}");
            assert_eq!(with(&[]), Err("ClaimMissing"), "{claim}");
            assert_eq!(with(&[""]), Err("ClaimMissing"), "{claim}");
            assert_eq!(with(&["node-1", "node-1"]), Err("ClaimMissing"), "{claim}");
        }
    }

    #[test]
    fn a_missing_or_different_pod_is_denied() {
        assert_eq!(authenticate(&good(), None), Err("UnknownPod"));
        let other = || "other".to_owned();
        for pod in [
            AgentPod { uid: other(), ..pod() },
            AgentPod { node: other(), ..pod() },
            AgentPod { node: String::new(), ..pod() },
            AgentPod { service_account: other(), ..pod() },
        ] {
            assert_eq!(authenticate(&good(), Some(&pod)), Err("OtherPod"), "{pod:?}");
        }
    }

    #[test]
    fn only_a_plausible_bearer_token_is_reviewed() {
        assert_eq!(bearer(Some("Bearer a.b.c")), Ok("a.b.c"));
        assert_eq!(bearer(Some("bearer a.b.c")), Ok("a.b.c"));
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN_BYTES + 1));
        for header in ["", "Bearer", "Bearer ", "Basic a.b.c", "a.b.c", "Bearer a b", "Bearer a\u{7}", &long]
        {
            assert_eq!(bearer(Some(header)), Err(AuthError::NoToken), "{header:.20}");
        }
        assert_eq!(bearer(None), Err(AuthError::NoToken));
    }
}
