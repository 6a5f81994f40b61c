//! The controller's own certificate authority: created once, renewed with an overlap, stored in a Secret.
//!
//! Time is an argument, in seconds since 1970.

use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use thiserror::Error;
use time::OffsetDateTime;
use zeroize::Zeroizing;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// An authority is valid for a year, and is renewed after two thirds of that.
const CA_VALIDITY: i64 = 365 * DAY;
/// A new authority signs nothing until every agent has had time to read it from the bundle.
const OVERLAP: i64 = HOUR;
/// A serving certificate is valid for a day, and is renewed after two thirds of that.
const LEAF_VALIDITY: i64 = DAY;
/// The clocks of hosts differ, so a certificate is valid from before its creation.
const BACKDATED: i64 = HOUR;

/// The current signer, and the previous one.
#[derive(Debug)]
pub(crate) struct CertificateAuthority {
    current: Signer,
    previous: Option<Signer>,
}

#[derive(Debug)]
struct Signer {
    certificate: String,
    key: CaSecret,
    created: i64,
}

/// A private key in PEM: wiped, and never printed.
struct CaSecret(Zeroizing<String>);

impl std::fmt::Debug for CaSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A serving certificate with its key, both in PEM.
pub(crate) struct LeafCertificate {
    pub(crate) certificate: String,
    pub(crate) key: Zeroizing<String>,
    pub(crate) renew_at: i64,
}

#[derive(Debug, Error)]
pub(crate) enum AuthorityError {
    #[error("failed to create a certificate: {0}")]
    Create(#[source] rcgen::Error),
    #[error(
        "the Secret of the certificate authority has no valid {0}: delete the Secret, and the controller creates a new one"
    )]
    Damaged(&'static str),
}

impl CertificateAuthority {
    pub(crate) fn create(now: i64) -> Result<Self, AuthorityError> {
        Ok(Self { current: Signer::create(now)?, previous: None })
    }

    /// Whether the authority is due for renewal.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        now >= self.current.created + CA_VALIDITY / 3 * 2
    }

    /// A new authority, with this one as the previous one until it expires.
    pub(crate) fn renewed(self, now: i64) -> Result<Self, AuthorityError> {
        Ok(Self { current: Signer::create(now)?, previous: Some(self.current) })
    }

    /// The certificates that agents trust.
    pub(crate) fn bundle(&self, now: i64) -> String {
        let previous = self.previous.iter().filter(|signer| now < signer.created + CA_VALIDITY);
        std::iter::once(&self.current).chain(previous).map(|signer| signer.certificate.as_str()).collect()
    }

    /// A serving certificate for these DNS names and IP addresses.
    pub(crate) fn leaf(&self, names: &[String], now: i64) -> Result<LeafCertificate, AuthorityError> {
        let fresh = now < self.current.created + OVERLAP;
        // An expired one is in no bundle any more, which happens if it was not renewed for a year.
        let previous =
            self.previous.as_ref().filter(|previous| fresh && now < previous.created + CA_VALIDITY);
        let signer = previous.unwrap_or(&self.current);
        let key = KeyPair::generate().map_err(AuthorityError::Create)?;
        let mut params = CertificateParams::new(names).map_err(AuthorityError::Create)?;
        params.distinguished_name = named("entropool-controller");
        params.not_before = date(now - BACKDATED);
        params.not_after = date(now + LEAF_VALIDITY);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &signer.issuer()?).map_err(AuthorityError::Create)?;
        // While the previous authority still signs, renew as soon as the new one may sign.
        let renew_at = if fresh { self.current.created + OVERLAP } else { now + LEAF_VALIDITY / 3 * 2 };
        Ok(LeafCertificate {
            certificate: certificate.pem(),
            key: Zeroizing::new(key.serialize_pem()),
            renew_at,
        })
    }

    /// The data of the Secret.
    pub(crate) fn to_data(&self) -> BTreeMap<String, String> {
        let parts = [Some(("ca", &self.current)), self.previous.as_ref().map(|signer| ("previous", signer))];
        let parts = parts.into_iter().flatten().flat_map(|(name, signer)| {
            [
                (format!("{name}.crt"), signer.certificate.clone()),
                (format!("{name}.key"), signer.key.0.to_string()),
                (format!("{name}.created"), signer.created.to_string()),
            ]
        });
        parts.collect()
    }

    /// Decodes the data of the Secret.
    pub(crate) fn of_data(read: impl Fn(&str) -> Option<String>) -> Result<Self, AuthorityError> {
        let signer = |name: &str, what| -> Result<Signer, AuthorityError> {
            let part = |kind| read(&format!("{name}.{kind}")).ok_or(AuthorityError::Damaged(what));
            let created = part("created")?.trim().parse().map_err(|_| AuthorityError::Damaged(what))?;
            let signer =
                Signer { certificate: part("crt")?, key: CaSecret(Zeroizing::new(part("key")?)), created };
            signer.issuer().map_err(|_| AuthorityError::Damaged(what))?;
            Ok(signer)
        };
        let current = signer("ca", "ca.crt, ca.key and ca.created")?;
        // Without the previous signer, agents with the old bundle fail to connect until they read the new one.
        Ok(Self { current, previous: signer("previous", "").ok() })
    }
}

impl Signer {
    fn create(now: i64) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Create)?;
        let certificate = Self::params(now).self_signed(&key).map_err(AuthorityError::Create)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: CaSecret(Zeroizing::new(key.serialize_pem())),
            created: now,
        })
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        let key = KeyPair::from_pem(&self.key.0).map_err(AuthorityError::Create)?;
        Ok(Issuer::new(Self::params(self.created), key))
    }

    /// The parameters follow from the time alone, so that the stored certificate need not be parsed to sign with it.
    fn params(created: i64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("entropool-controller authority {created}"));
        params.not_before = date(created - BACKDATED);
        params.not_after = date(created + CA_VALIDITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// No clock shows a time outside the calendar's range.
fn date(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn names() -> [String; 2] {
        ["entropool-controller.entropool-system.svc".to_owned(), "127.0.0.1".to_owned()]
    }

    /// Whether an agent that trusts the bundle accepts the certificate from a server of that name.
    fn trusts(bundle: &str, leaf: &LeafCertificate, name: &str, now: i64) -> bool {
        let mut roots = RootCertStore::empty();
        CertificateDer::pem_slice_iter(bundle.as_bytes()).for_each(|root| roots.add(root.unwrap()).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.try_into().unwrap()));
        verifier.verify_server_cert(&leaf, &[], &ServerName::try_from(name).unwrap(), &[], now).is_ok()
    }

    fn read_back(authority: &CertificateAuthority) -> CertificateAuthority {
        let data = authority.to_data();
        CertificateAuthority::of_data(|key| data.get(key).cloned()).unwrap()
    }

    #[test]
    fn an_agent_trusts_a_certificate_of_an_authority_that_was_stored_and_loaded() {
        let authority = CertificateAuthority::create(NOW).unwrap();
        let bundle = authority.bundle(NOW);
        let leaf = read_back(&authority).leaf(&names(), NOW + 2 * HOUR).unwrap();
        for name in &names() {
            assert!(trusts(&bundle, &leaf, name, NOW + 3 * HOUR), "{name}");
        }
        assert!(!trusts(&bundle, &leaf, "other.example", NOW + 3 * HOUR));
        assert!(!trusts(&bundle, &leaf, "127.0.0.1", NOW + 3 * DAY));
        assert!(!trusts(
            &CertificateAuthority::create(NOW).unwrap().bundle(NOW),
            &leaf,
            "127.0.0.1",
            NOW + 3 * HOUR
        ));
    }

    #[test]
    fn a_certificate_is_renewed_before_it_expires() {
        let leaf = CertificateAuthority::create(NOW).unwrap().leaf(&names(), NOW + 2 * HOUR).unwrap();
        assert_eq!(leaf.renew_at, NOW + 18 * HOUR);
    }

    #[test]
    fn a_renewed_authority_is_in_the_bundle_before_it_signs() {
        let first = CertificateAuthority::create(NOW).unwrap();
        let later = NOW + CA_VALIDITY / 3 * 2;
        assert!(!first.is_due(later - 1) && first.is_due(later));
        let old_bundle = first.bundle(NOW);
        let second = read_back(&first.renewed(later).unwrap());
        let new_bundle = second.bundle(later);
        // The certificate is valid for agents with the old bundle and with the new one.
        let early = second.leaf(&names(), later).unwrap();
        assert!(
            trusts(&old_bundle, &early, "127.0.0.1", later)
                && trusts(&new_bundle, &early, "127.0.0.1", later)
        );
        assert_eq!(early.renew_at, later + OVERLAP);
        let late = second.leaf(&names(), later + OVERLAP).unwrap();
        assert!(
            !trusts(&old_bundle, &late, "127.0.0.1", later) && trusts(&new_bundle, &late, "127.0.0.1", later)
        );
    }

    #[test]
    fn an_expired_authority_signs_nothing() {
        let much_later = NOW + 2 * CA_VALIDITY;
        let second = CertificateAuthority::create(NOW).unwrap().renewed(much_later).unwrap();
        let leaf = second.leaf(&names(), much_later).unwrap();
        assert!(trusts(&second.bundle(much_later), &leaf, "127.0.0.1", much_later));
    }

    #[test]
    fn the_error_of_a_damaged_secret_says_what_to_do() {
        let data = CertificateAuthority::create(NOW).unwrap().to_data();
        for missing in ["ca.crt", "ca.key", "ca.created"] {
            let read = |key: &str| data.get(key).filter(|_| key != missing).cloned();
            assert!(
                CertificateAuthority::of_data(read).unwrap_err().to_string().contains("delete the Secret"),
                "{missing}"
            );
        }
        let garbled =
            |key: &str| data.get(key).map(|text| if key == "ca.key" { "?" } else { text }.to_owned());
        assert!(CertificateAuthority::of_data(garbled).is_err());
    }

    #[test]
    fn a_key_is_never_printed() {
        let authority = CertificateAuthority::create(NOW).unwrap();
        assert!(!format!("{authority:?}").contains("PRIVATE"));
    }
}
