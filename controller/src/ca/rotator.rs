//! Keeps our own authority: in a Secret that only controllers read, its certificates in a `ConfigMap` for agents.

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

use super::Certificate;
use super::TrustState;
use super::authority::{AuthorityError, CertificateAuthority, LeafCertificate};
use super::certificate::CertificateError;
use crate::clock;
use crate::leader_election::Leadership;

/// The name of the Secret and of the `ConfigMap`.
pub(crate) const NAME: &str = "entropool-ca";
/// Between two looks.
const LOOK: Duration = Duration::from_secs(10);
/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// Why there is no certificate, or an older one.
#[derive(Debug, Error)]
enum RotateError {
    #[error("the Secret {NAME} cannot be read: {0}")]
    Read(#[source] kube::Error),
    #[error("the Secret {NAME} cannot be written: {0}")]
    Write(#[source] kube::Error),
    #[error("the ConfigMap {NAME} cannot be written: {0}")]
    Publish(#[source] kube::Error),
    #[error(transparent)]
    Authority(AuthorityError),
    #[error("the certificate that was made is not taken: {0}")]
    Use(#[source] CertificateError),
}

/// What is in use.
#[derive(Default)]
struct ServingCertificate {
    bundle: String,
    renew_at: i64,
}

/// Makes the authority where there is none, renews it while this replica leads, and has a certificate of it in
/// use; ends never.
pub(crate) async fn keep(
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
        let wait = match round(&client, &namespace, &names, &certificate, leading, &mut used).await {
            Ok(()) => {
                trusted.publish(&used.bundle);
                LOOK
            }
            Err(error) => {
                warn!(%error, "the certificate authority is not in order");
                AGAIN
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn round(
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
        certificate.replace(leaf.certificate.as_bytes(), leaf.key.as_bytes()).map_err(RotateError::Use)?;
        info!("a new certificate is in use");
        let LeafCertificate { renew_at, .. } = leaf;
        *used = ServingCertificate { bundle, renew_at };
    }
    Ok(())
}

/// What is kept; made where there is none, renewed where it is time.
async fn authority(
    secrets: &Api<Secret>,
    leading: bool,
    now: i64,
) -> Result<CertificateAuthority, RotateError> {
    let Some(secret) = secrets.get_opt(NAME).await.map_err(RotateError::Read)? else {
        return make(secrets, now).await;
    };
    let kept = read(&secret).map_err(RotateError::Authority)?;
    if !(leading && kept.is_due(now)) {
        return Ok(kept);
    }
    let renewed = kept.renewed(now).map_err(RotateError::Authority)?;
    // With the version that was read: of two who renew, the second fails and reads what the first wrote.
    let written = of(&renewed, secret.metadata.resource_version);
    secrets.replace(NAME, &PostParams::default(), &written).await.map_err(RotateError::Write)?;
    info!("the certificate authority was renewed");
    Ok(renewed)
}

async fn make(secrets: &Api<Secret>, now: i64) -> Result<CertificateAuthority, RotateError> {
    let made = CertificateAuthority::make(now).map_err(RotateError::Authority)?;
    match secrets.create(&PostParams::default(), &of(&made, None)).await {
        Ok(_) => {
            info!("a certificate authority was made");
            Ok(made)
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let secret = secrets.get(NAME).await.map_err(RotateError::Read)?;
            read(&secret).map_err(RotateError::Authority)
        }
        Err(error) => Err(RotateError::Write(error)),
    }
}

fn read(secret: &Secret) -> Result<CertificateAuthority, AuthorityError> {
    CertificateAuthority::of_data(|key| {
        let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.clone()).ok()
    })
}

fn of(authority: &CertificateAuthority, resource_version: Option<String>) -> Secret {
    let data: BTreeMap<_, _> =
        authority.to_data().into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect();
    Secret {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), resource_version, ..ObjectMeta::default() },
        data: Some(data),
        ..Secret::default()
    }
}

async fn publish(maps: &Api<ConfigMap>, bundle: &str) -> Result<(), RotateError> {
    let published = maps.get_opt(NAME).await.map_err(RotateError::Publish)?;
    if published.and_then(|map| map.data?.remove("ca.crt")).as_deref() == Some(bundle) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "data": {"ca.crt": bundle},
    });
    let params = PatchParams::apply(crate::status::FIELD_MANAGER).force();
    maps.patch(NAME, &params, &Patch::Apply(patch)).await.map_err(RotateError::Publish)?;
    Ok(())
}
