//! Whether the API server gets an answer of the webhooks, by a pod that they have to refuse.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client, Error};
use serde_json::{Value, json};

/// The name of both webhook configurations.
pub(super) const WEBHOOKS: &str = "entropool";

/// What became of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Review {
    /// A webhook refused it.
    Answered,
    /// No webhook did. They may be restricted to other namespaces.
    NotCalled { restricted: bool },
    /// The API server's words on why a webhook could not be called.
    Failed(String),
}

/// Has the API server review a pod, which it does not create. The pod's volume names no pool, which is always refused.
pub(super) async fn review(client: &Client, namespace: &str) -> Result<Review, Error> {
    let pod: Pod = serde_json::from_value(pod()).map_err(Error::SerdeError)?;
    let trial = PostParams { dry_run: true, ..PostParams::default() };
    let created = Api::<Pod>::namespaced(client.clone(), namespace).create(&trial, &pod).await;
    match verdict(created.map(drop))? {
        Some(review) => Ok(review),
        None => Ok(Review::NotCalled { restricted: is_restricted(client).await? }),
    }
}

/// `None` if nobody refused it.
fn verdict(created: Result<(), Error>) -> Result<Option<Review>, Error> {
    match created {
        Ok(()) => Ok(None),
        Err(Error::Api(status)) if status.message.contains("failed calling webhook") => {
            Ok(Some(Review::Failed(status.message.clone())))
        }
        Err(Error::Api(status)) if status.message.contains("volumes.entropool.io") => {
            Ok(Some(Review::Answered))
        }
        Err(error) => Err(error),
    }
}

async fn is_restricted(client: &Client) -> Result<bool, Error> {
    let found = Api::<MutatingWebhookConfiguration>::all(client.clone()).get_opt(WEBHOOKS).await?;
    let webhooks = found.and_then(|it| it.webhooks).unwrap_or_default();
    Ok(webhooks.iter().filter_map(|webhook| webhook.namespace_selector.as_ref()).any(|selector| {
        selector.match_labels.as_ref().is_some_and(|labels: &BTreeMap<_, _>| !labels.is_empty())
            || selector.match_expressions.as_ref().is_some_and(|all| !all.is_empty())
    }))
}

fn pod() -> Value {
    let volume = json!({"name": "entropool", "csi": {"driver": api::names::CSI_DRIVER, "readOnly": true}});
    let container = json!({
        "name": "check",
        "image": "check",
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    json!({
        "metadata": {"generateName": "entropool-check-"},
        "spec": {
            "containers": [container],
            "volumes": [volume],
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use kube::core::Status;

    use super::*;

    fn refused(message: &str) -> Result<Option<Review>, Error> {
        verdict(Err(Error::Api(Status { message: message.to_owned(), ..Status::default() }.boxed())))
    }

    #[test]
    fn refusal_by_the_webhook_is_an_answer_and_one_by_anything_else_is_not() {
        let denied =
            "admission webhook \"volumes.entropool.io\" denied the request: the pod's volume names no pool";
        assert_eq!(refused(denied).unwrap(), Some(Review::Answered));
        let failed = "failed calling webhook \"volumes.entropool.io\": context deadline exceeded";
        assert_eq!(refused(failed).unwrap(), Some(Review::Failed(failed.to_owned())));
        refused("pods is forbidden: User \"eve\" cannot create resource \"pods\"").unwrap_err();
        assert_eq!(verdict(Ok(())).unwrap(), None);
    }
}
