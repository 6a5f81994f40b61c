//! What a token says of itself, before the API server is asked whether that is true: most that is no agent's is refused here,
//! for nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use delivery::agent_auth::{AUDIENCE, AgentAccount, AuthError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    aud: Audiences,
    #[serde(default)]
    sub: String,
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

/// Refuses a token that does not claim to be of the agents' account and for our audience. What it claims proves nothing.
pub(super) fn check(token: &str, agents: &AgentAccount) -> Result<(), AuthError> {
    let claims = parse(token).ok_or(AuthError::NoToken)?;
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
    Ok(())
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

    fn checked(claims: &str) -> Result<(), AuthError> {
        let agents =
            AgentAccount { namespace: "system".to_owned(), service_account: "entropool-agent".to_owned() };
        check(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)), &agents)
    }

    #[test]
    fn only_a_token_that_claims_to_be_an_agent_s_is_worth_a_review() {
        let of = |audience: &str, account: &str| {
            format!(r#"{{"aud": {audience}, "sub": "system:serviceaccount:{account}"}}"#)
        };
        let ours = r#"["other", "controller.entropool.io"]"#;
        for good in
            [of(ours, "system:entropool-agent"), of(r#""controller.entropool.io""#, "system:entropool-agent")]
        {
            assert_eq!(checked(&good), Ok(()), "{good}");
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

    #[test]
    fn a_token_has_three_parts() {
        let agents = AgentAccount { namespace: String::new(), service_account: String::new() };
        for token in ["", ".", "..", "e30.e30", "e30.e30.e30.e30", "e30.!.e30"] {
            assert_eq!(check(token, &agents), Err(AuthError::NoToken), "{token}");
        }
    }
}
