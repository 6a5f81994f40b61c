//! Rotates our own authority, stored in a Secret that only controllers read, with its certificates in a `ConfigMap` for
//! agents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{info, warn};

use super::authority::{AuthorityError, CertificateAuthority, LeafCertificate};
use super::certificate::{Certificate, CertificateError, TrustState};
use crate::api_error::api_error;
use crate::clock;
use crate::leader_election::Leadership;
use crate::status::FIELD_MANAGER;

/// The name of the Secret and of the `ConfigMap`.
pub(crate) const NAME: &str = "entropool-ca";
const INTERVAL: Duration = Duration::from_secs(10);
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Error)]
enum RotateError {
    #[error("failed to read Secret {NAME}: {}", api_error(.0))]
    ReadSecret(#[source] kube::Error),
    #[error("failed to write Secret {NAME}: {}", api_error(.0))]
    WriteSecret(#[source] kube::Error),
    #[error("failed to write ConfigMap {NAME}: {}", api_error(.0))]
    WriteConfigMap(#[source] kube::Error),
    #[error(transparent)]
    Authority(AuthorityError),
    #[error("the new certificate is invalid: {0}")]
    Certificate(#[source] CertificateError),
}

#[derive(Default)]
struct ServingCertificate {
    bundle: String,
    renew_at: i64,
}

/// Creates the authority if there is none, renews it while this replica leads, and keeps a certificate of it in use;
/// never returns.
pub(crate) async fn rotate(
    client: Client,
    namespace: String,
    names: Vec<String>,
    certificate: Arc<Certificate>,
    trusted: TrustState,
    role: watch::Receiver<Leadership>,
) {
    let mut used = ServingCertificate::default();
    loop {
        let leading = role.borrow().leads();
        let wait = match reconcile(&client, &namespace, &names, &certificate, leading, &mut used).await {
            Ok(()) => {
                trusted.publish(&used.bundle);
                INTERVAL
            }
            Err(error) => {
                warn!(%error, "failed to rotate certificates");
                RETRY_INTERVAL
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn reconcile(
    client: &Client,
    namespace: &str,
    names: &[String],
    certificate: &Certificate,
    leading: bool,
    used: &mut ServingCertificate,
) -> Result<(), RotateError> {
    let now = clock::wall().0.as_second();
    let authority = authority(&Api::namespaced(client.clone(), namespace), leading, now).await?;
    let bundle = authority.bundle(now);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    publish(&maps, &bundle).await?;
    if bundle != used.bundle || now >= used.renew_at {
        let leaf = authority.leaf(names, now).map_err(RotateError::Authority)?;
        certificate
            .replace(leaf.certificate.as_bytes(), leaf.key.as_bytes())
            .map_err(RotateError::Certificate)?;
        info!("serving certificate renewed");
        let LeafCertificate { renew_at, .. } = leaf;
        *used = ServingCertificate { bundle, renew_at };
    }
    Ok(())
}

/// The stored authority; created if there is none, renewed if it is due.
async fn authority(
    secrets: &Api<Secret>,
    leading: bool,
    now: i64,
) -> Result<CertificateAuthority, RotateError> {
    let Some(secret) = secrets.get_opt(NAME).await.map_err(RotateError::ReadSecret)? else {
        return create(secrets, now).await;
    };
    let stored = decode(&secret).map_err(RotateError::Authority)?;
    if !(leading && stored.is_due(now)) {
        return Ok(stored);
    }
    let renewed = stored.renewed(now).map_err(RotateError::Authority)?;
    // The version makes the second of two concurrent renewals fail; it then reads what the first wrote.
    let written = encode(&renewed, secret.metadata.resource_version);
    secrets.replace(NAME, &PostParams::default(), &written).await.map_err(RotateError::WriteSecret)?;
    info!("certificate authority renewed");
    Ok(renewed)
}

async fn create(secrets: &Api<Secret>, now: i64) -> Result<CertificateAuthority, RotateError> {
    let created = CertificateAuthority::create(now).map_err(RotateError::Authority)?;
    match secrets.create(&PostParams::default(), &encode(&created, None)).await {
        Ok(_) => {
            info!("certificate authority created");
            Ok(created)
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let secret = secrets.get(NAME).await.map_err(RotateError::ReadSecret)?;
            decode(&secret).map_err(RotateError::Authority)
        }
        Err(error) => Err(RotateError::WriteSecret(error)),
    }
}

fn decode(secret: &Secret) -> Result<CertificateAuthority, AuthorityError> {
    CertificateAuthority::of_data(|key| {
        let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.clone()).ok()
    })
}

fn encode(authority: &CertificateAuthority, resource_version: Option<String>) -> Secret {
    let data: BTreeMap<_, _> =
        authority.to_data().into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect();
    Secret {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), resource_version, ..ObjectMeta::default() },
        data: Some(data),
        ..Secret::default()
    }
}

async fn publish(maps: &Api<ConfigMap>, bundle: &str) -> Result<(), RotateError> {
    let published = maps.get_opt(NAME).await.map_err(RotateError::WriteConfigMap)?;
    if published.and_then(|map| map.data?.remove("ca.crt")).as_deref() == Some(bundle) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "data": {"ca.crt": bundle},
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    maps.patch(NAME, &params, &Patch::Apply(patch)).await.map_err(RotateError::WriteConfigMap)?;
    Ok(())
}
