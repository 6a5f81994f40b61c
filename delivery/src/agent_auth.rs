//! Who an agent is: what must be true of a review of its token before a byte of a node's configuration is sent.
//!
//! Everything is checked, also what the API server should have checked already: the audience, the service account,
//! the pod, its uid and its node. What is missing is refused like what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use crate::message::Nack;

/// What tokens of agents are made for.
pub const AUDIENCE: &str = "controller.entropool.io";
/// The longest token worth a review. The API server's own are below 2 KiB.
pub const LONGEST_TOKEN: usize = 16 * 1_024;

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// What the API server says of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewedToken {
    /// It is good for somebody.
    pub authenticated: bool,
    /// Why it is not.
    pub error: String,
    /// Those of the audiences asked for that it was made for.
    pub audiences: BTreeSet<String>,
    /// Whose it is.
    pub username: String,
    /// What else is in it.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Whose tokens are agents'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAccount {
    /// The namespace of the agents' pods.
    pub namespace: String,
    /// Their service account.
    pub service_account: String,
}

/// An agent, by its token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentIdentity {
    /// The node its pod is on: the one whose configuration it gets.
    pub node: String,
    /// The pod.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
}

/// What is known of the pod of that name in the agents' namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentPod {
    /// Its uid.
    pub uid: String,
    /// The node it is bound to.
    pub node: String,
    /// The service account it runs as.
    pub service_account: String,
}

/// Why somebody is not believed to be an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No token worth a review was shown.
    NoToken,
    /// The API server does not know it.
    NotAuthenticated {
        /// What it says.
        error: String,
    },
    /// It was made for somebody else.
    Audience,
    /// It is of another service account.
    ServiceAccount {
        /// Of this one.
        username: String,
    },
    /// It does not say something that an agent's says, or says it twice.
    Claim {
        /// What.
        claim: &'static str,
        /// How often it is said.
        count: usize,
    },
    /// There is no such pod.
    NoPod {
        /// The pod.
        pod: String,
    },
    /// The pod is another one than the token was made for.
    OtherPod {
        /// The pod.
        pod: String,
        /// What differs.
        what: &'static str,
    },
    /// Shown again in a stream, it is another agent's.
    OtherAgent,
}

impl AuthError {
    /// One word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "NoToken",
            Self::NotAuthenticated { .. } => "NotAuthenticated",
            Self::Audience => "WrongAudience",
            Self::ServiceAccount { .. } => "WrongServiceAccount",
            Self::Claim { .. } => "ClaimMissing",
            Self::NoPod { .. } => "UnknownPod",
            Self::OtherPod { .. } => "OtherPod",
            Self::OtherAgent => "OtherAgent",
        }
    }

    /// As it is told to the one who is denied.
    pub fn refusal(&self) -> Nack {
        Nack::new(self.reason(), self.to_string())
    }
}

impl Display for AuthError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => {
                let most = LONGEST_TOKEN;
                write!(
                    f,
                    "no token was shown: `authorization: Bearer TOKEN`, of at most {most} bytes, is needed"
                )
            }
            Self::NotAuthenticated { error } => {
                write!(f, "the API server does not accept the token: {error}")
            }
            Self::Audience => write!(f, "the token was not made for the audience {AUDIENCE}"),
            Self::ServiceAccount { username } => {
                write!(f, "the token is of {username}, which is not the agents' service account")
            }
            Self::Claim { claim, count } => write!(
                f,
                "the token says {claim} {count} times, and must once: it must be bound to a pod, by Kubernetes \
                 1.32 or newer, or with the feature gate ServiceAccountTokenPodNodeInfo"
            ),
            Self::NoPod { pod } => write!(f, "there is no pod {pod} in the agents' namespace"),
            Self::OtherPod { pod, what } => {
                write!(f, "pod {pod} is not the one that the token was made for: its {what} is another")
            }
            Self::OtherAgent => f.write_str("the token is not of the agent that opened the stream"),
        }
    }
}

impl std::error::Error for AuthError {}

/// The token of an `authorization` header, if it is worth a review.
pub fn bearer(authorization: Option<&str>) -> Result<&str, AuthError> {
    let (scheme, token) = authorization.and_then(|value| value.split_once(' ')).ok_or(AuthError::NoToken)?;
    let plain = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
    let worth = scheme.eq_ignore_ascii_case("bearer") && is_plausible_token(token) && plain(token);
    if worth { Ok(token) } else { Err(AuthError::NoToken) }
}

/// Whether a token's length is one that a token may have.
pub fn is_plausible_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= LONGEST_TOKEN
}

/// Which agent a review speaks of.
pub fn identify(review: &ReviewedToken, agents: &AgentAccount) -> Result<AgentIdentity, AuthError> {
    if !review.authenticated {
        return Err(AuthError::NotAuthenticated { error: review.error.clone() });
    }
    // A reviewer that does not know audiences answers for all of them.
    if !review.audiences.contains(AUDIENCE) {
        return Err(AuthError::Audience);
    }
    if review.username != agents.username() {
        return Err(AuthError::ServiceAccount { username: review.username.clone() });
    }
    Ok(AgentIdentity {
        node: review.claim(NODE_NAME)?,
        pod: review.claim(POD_NAME)?,
        uid: review.claim(POD_UID)?,
    })
}

/// Whether the pod of that name is the one that the token was made for.
pub fn confirm(
    identity: &AgentIdentity,
    pod: Option<&AgentPod>,
    agents: &AgentAccount,
) -> Result<(), AuthError> {
    let pod = pod.ok_or_else(|| AuthError::NoPod { pod: identity.pod.clone() })?;
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
    /// What the token says of that, exactly once.
    fn claim(&self, claim: &'static str) -> Result<String, AuthError> {
        match self.extra.get(claim).map(Vec::as_slice) {
            Some([value]) if !value.is_empty() => Ok(value.clone()),
            Some([_]) | None => Err(AuthError::Claim { claim, count: 0 }),
            Some(values) => Err(AuthError::Claim { claim, count: values.len() }),
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
        let own = |text: &str| text.to_owned();
        AgentPod { uid: own("u-1"), node: own("node-1"), service_account: own("entropool-agent") }
    }

    fn verdict(review: &ReviewedToken, pod: Option<&AgentPod>) -> Result<String, &'static str> {
        let identity = identify(review, &agents()).map_err(|denied| denied.reason())?;
        confirm(&identity, pod, &agents()).map_err(|denied| denied.reason())?;
        Ok(identity.node)
    }

    fn changed(change: impl FnOnce(&mut ReviewedToken)) -> Result<String, &'static str> {
        let mut review = good();
        change(&mut review);
        verdict(&review, Some(&pod()))
    }

    #[test]
    fn an_agent_of_a_living_pod_is_its_node_s() {
        assert_eq!(verdict(&good(), Some(&pod())), Ok("node-1".to_owned()));
    }

    #[test]
    fn whatever_differs_from_an_agent_s_token_is_denied() {
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
    fn a_claim_is_said_exactly_once() {
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
    fn a_pod_that_is_gone_or_another_is_denied() {
        assert_eq!(verdict(&good(), None), Err("UnknownPod"));
        let other = || "other".to_owned();
        for pod in [
            AgentPod { uid: other(), ..pod() },
            AgentPod { node: other(), ..pod() },
            AgentPod { node: String::new(), ..pod() },
            AgentPod { service_account: other(), ..pod() },
        ] {
            assert_eq!(verdict(&good(), Some(&pod)), Err("OtherPod"), "{pod:?}");
        }
    }

    #[test]
    fn only_a_bearer_token_of_a_token_s_size_is_worth_a_review() {
        assert_eq!(bearer(Some("Bearer a.b.c")), Ok("a.b.c"));
        assert_eq!(bearer(Some("bearer a.b.c")), Ok("a.b.c"));
        let long = format!("Bearer {}", "x".repeat(LONGEST_TOKEN + 1));
        for header in ["", "Bearer", "Bearer ", "Basic a.b.c", "a.b.c", "Bearer a b", "Bearer a\u{7}", &long]
        {
            assert_eq!(bearer(Some(header)), Err(AuthError::NoToken), "{header:.20}");
        }
        assert_eq!(bearer(None), Err(AuthError::NoToken));
    }
}
