//! What a token says of itself, before the API server is asked whether that is true: most that is no agent's is refused here,
//! for nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use delivery::agent_auth::{AUDIENCE, AgentAccount, AgentPod, AuthError, POD_NAME};
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    aud: Audiences,
    #[serde(default)]
    sub: String,
    #[serde(default, rename = "kubernetes.io")]
    workload: Workload,
}

#[derive(Default, Deserialize)]
struct Workload {
    #[serde(default)]
    pod: Option<ClaimedPod>,
}

/// The pod that a token says it is bound to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct ClaimedPod {
    pub(crate) name: String,
    uid: String,
}

/// One, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// The pod of a token that claims to be of the agents' account and for our audience. What it claims proves nothing.
pub(super) fn check(token: &str, agents: &AgentAccount) -> Result<ClaimedPod, AuthError> {
    let mut claims = parse(token).ok_or(AuthError::NoToken)?;
    let is_ours = match &claims.aud {
        Audiences::One(audience) => audience == AUDIENCE,
        Audiences::Several(audiences) => audiences.iter().any(|audience| audience == AUDIENCE),
    };
    if !is_ours {
        return Err(AuthError::WrongAudience);
    }
    let AgentAccount { namespace, service_account } = agents;
    if claims.sub != format!("system:serviceaccount:{namespace}:{service_account}") {
        return Err(AuthError::WrongServiceAccount { username: shortened(claims.sub) });
    }
    claims.workload.pod.take().ok_or(AuthError::MissingClaim { claim: POD_NAME, count: 0 })
}

impl ClaimedPod {
    /// Refuses the name of a pod that is not there, or that is another one. Only who may read the agents' pods knows a uid.
    pub(crate) fn check(&self, pod: Option<&AgentPod>) -> Result<(), AuthError> {
        let name = || shortened(self.name.clone());
        let pod = pod.ok_or_else(|| AuthError::UnknownPod { pod: name() })?;
        if pod.uid == self.uid { Ok(()) } else { Err(AuthError::OtherPod { pod: name(), what: "uid" }) }
    }
}

/// The claims of a signed JSON Web Token (RFC 7519), which has three parts.
fn parse(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// What a stranger says is repeated to him and logged.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(253));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(claims: &str) -> Result<ClaimedPod, AuthError> {
        let agents =
            AgentAccount { namespace: "system".to_owned(), service_account: "entropool-agent".to_owned() };
        check(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)), &agents)
    }

    #[test]
    fn only_a_token_that_claims_to_be_an_agent_s_is_worth_a_review() {
        let of = |audience: &str, account: &str| {
            let pod = r#""kubernetes.io": {"pod": {"name": "agent-x", "uid": "u-1"}}"#;
            format!(r#"{{"aud": {audience}, "sub": "system:serviceaccount:{account}", {pod}}}"#)
        };
        let ours = r#"["other", "controller.entropool.io"]"#;
        for good in
            [of(ours, "system:entropool-agent"), of(r#""controller.entropool.io""#, "system:entropool-agent")]
        {
            assert_eq!(checked(&good), Ok(pod("agent-x", "u-1")), "{good}");
            let of_no_pod = checked(&good.replace("pod", "node")).expect_err("it is bound to no pod");
            assert_eq!(of_no_pod.reason(), "ClaimMissing");
        }
        for audience in ["[]", r#"["kubernetes"]"#, r#""controller.entropool.io.example""#] {
            assert_eq!(
                checked(&of(audience, "system:entropool-agent")),
                Err(AuthError::WrongAudience),
                "{audience}"
            );
        }
        for account in ["default:entropool-agent", "system:default", ""] {
            let error = checked(&of(ours, account)).expect_err("it is another's");
            assert_eq!(error.reason(), "WrongServiceAccount", "{account}");
        }
        assert_eq!(checked("{}"), Err(AuthError::WrongAudience));
        for none in ["", "[1]", r#"{"aud": 1}"#, "\"x\""] {
            assert_eq!(checked(none), Err(AuthError::NoToken), "{none}");
        }
    }

    fn pod(name: &str, uid: &str) -> ClaimedPod {
        ClaimedPod { name: name.to_owned(), uid: uid.to_owned() }
    }

    #[test]
    fn only_a_token_of_a_pod_that_is_there_is_worth_a_review() {
        let there = AgentPod { uid: "u-1".to_owned(), ..AgentPod::default() };
        let reason =
            |claimed: ClaimedPod, pod: Option<&AgentPod>| claimed.check(pod).map_err(|it| it.reason());
        assert_eq!(reason(pod("agent-x", "u-1"), Some(&there)), Ok(()));
        assert_eq!(reason(pod("agent-x", "u-2"), Some(&there)), Err("OtherPod"));
        assert_eq!(reason(pod("agent-x", "u-1"), None), Err("UnknownPod"));
    }

    #[test]
    fn a_token_has_three_parts() {
        let agents = AgentAccount { namespace: String::new(), service_account: String::new() };
        for token in ["", ".", "..", "e30.e30", "e30.e30.e30.e30", "e30.!.e30"] {
            assert_eq!(check(token, &agents), Err(AuthError::NoToken), "{token}");
        }
    }
}
