//! A certificate authority of our own: made once, renewed with an overlap, kept in a Secret.
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
/// An authority lives for a year, and is followed by another after two thirds of that.
const LIFE: i64 = 365 * DAY;
/// A new authority signs nothing before every agent has had time to read it in the bundle.
const OVERLAP: i64 = HOUR;
/// A server's certificate lives for a day, and is renewed after two thirds of that.
const LEAF_LIFE: i64 = DAY;
/// Clocks of hosts differ; a certificate is good from before it was made.
const BACKDATED: i64 = HOUR;

/// What signs, and what signed before.
#[derive(Debug)]
pub(crate) struct CertificateAuthority {
    current: Signer,
    previous: Option<Signer>,
}

#[derive(Debug)]
struct Signer {
    certificate: String,
    key: CaSecret,
    made: i64,
}

/// A private key in PEM: wiped, and never printed.
struct CaSecret(Zeroizing<String>);

impl std::fmt::Debug for CaSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A server's certificate with its key, both in PEM.
pub(crate) struct LeafCertificate {
    pub(crate) certificate: String,
    pub(crate) key: Zeroizing<String>,
    /// When to make another.
    pub(crate) renew_at: i64,
}

/// What went wrong with keys or certificates.
#[derive(Debug, Error)]
pub(crate) enum AuthorityError {
    /// The library refused.
    #[error("no certificate can be made: {0}")]
    Make(#[source] rcgen::Error),
    /// The Secret does not hold what we put there.
    #[error("the Secret of the certificate authority has no usable {0}: delete it to have a new one made")]
    Damaged(&'static str),
}

impl CertificateAuthority {
    /// A first one.
    pub(crate) fn make(now: i64) -> Result<Self, AuthorityError> {
        Ok(Self { current: Signer::make(now)?, previous: None })
    }

    /// Whether it is time for another.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        now >= self.current.made + LIFE / 3 * 2
    }

    /// Another, beside this one until that has run out.
    pub(crate) fn renewed(self, now: i64) -> Result<Self, AuthorityError> {
        Ok(Self { current: Signer::make(now)?, previous: Some(self.current) })
    }

    /// All certificates that agents are to trust.
    pub(crate) fn bundle(&self, now: i64) -> String {
        let previous = self.previous.iter().filter(|signer| now < signer.made + LIFE);
        std::iter::once(&self.current).chain(previous).map(|signer| signer.certificate.as_str()).collect()
    }

    /// A certificate for a server that is called by these names and addresses.
    pub(crate) fn leaf(&self, names: &[String], now: i64) -> Result<LeafCertificate, AuthorityError> {
        let fresh = now < self.current.made + OVERLAP;
        // One that has run out is in nobody's bundle any more: so it is where nobody renewed it for a year.
        let former = self.previous.as_ref().filter(|former| fresh && now < former.made + LIFE);
        let signer = former.unwrap_or(&self.current);
        let key = KeyPair::generate().map_err(AuthorityError::Make)?;
        let mut params = CertificateParams::new(names).map_err(AuthorityError::Make)?;
        params.distinguished_name = named("entropool-controller");
        params.not_before = date(now - BACKDATED);
        params.not_after = date(now + LEAF_LIFE);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &signer.issuer()?).map_err(AuthorityError::Make)?;
        // While the former authority still signs, look again when the new one may.
        let renew_at = if fresh { self.current.made + OVERLAP } else { now + LEAF_LIFE / 3 * 2 };
        Ok(LeafCertificate {
            certificate: certificate.pem(),
            key: Zeroizing::new(key.serialize_pem()),
            renew_at,
        })
    }

    /// As a Secret keeps it.
    pub(crate) fn to_data(&self) -> BTreeMap<String, String> {
        let parts = [Some(("ca", &self.current)), self.previous.as_ref().map(|signer| ("previous", signer))];
        let parts = parts.into_iter().flatten().flat_map(|(name, signer)| {
            [
                (format!("{name}.crt"), signer.certificate.clone()),
                (format!("{name}.key"), signer.key.0.to_string()),
                (format!("{name}.made"), signer.made.to_string()),
            ]
        });
        parts.collect()
    }

    /// From what a Secret keeps.
    pub(crate) fn of_data(read: impl Fn(&str) -> Option<String>) -> Result<Self, AuthorityError> {
        let signer = |name: &str, what| -> Result<Signer, AuthorityError> {
            let part = |kind| read(&format!("{name}.{kind}")).ok_or(AuthorityError::Damaged(what));
            let made = part("made")?.trim().parse().map_err(|_| AuthorityError::Damaged(what))?;
            let signer =
                Signer { certificate: part("crt")?, key: CaSecret(Zeroizing::new(part("key")?)), made };
            signer.issuer().map_err(|_| AuthorityError::Damaged(what))?;
            Ok(signer)
        };
        let current = signer("ca", "ca.crt, ca.key and ca.made")?;
        // What signed before only eases the change; without it that is rougher.
        Ok(Self { current, previous: signer("previous", "").ok() })
    }
}

impl Signer {
    fn make(now: i64) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Make)?;
        let certificate = Self::params(now).self_signed(&key).map_err(AuthorityError::Make)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: CaSecret(Zeroizing::new(key.serialize_pem())),
            made: now,
        })
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        let key = KeyPair::from_pem(&self.key.0).map_err(AuthorityError::Make)?;
        Ok(Issuer::new(Self::params(self.made), key))
    }

    /// Follows from the time alone, so that what is kept need not be parsed to sign with it.
    fn params(made: i64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("entropool-controller authority {made}"));
        params.not_before = date(made - BACKDATED);
        params.not_after = date(made + LIFE);
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

/// A time no calendar holds is none that a clock shows.
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

    /// Whether an agent that trusts the bundle takes the certificate from a server of that name.
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
    fn an_agent_trusts_what_the_authority_signs_also_when_that_was_read_back() {
        let authority = CertificateAuthority::make(NOW).unwrap();
        let bundle = authority.bundle(NOW);
        let leaf = read_back(&authority).leaf(&names(), NOW + 2 * HOUR).unwrap();
        for name in &names() {
            assert!(trusts(&bundle, &leaf, name, NOW + 3 * HOUR), "{name}");
        }
        assert!(!trusts(&bundle, &leaf, "other.example", NOW + 3 * HOUR));
        assert!(!trusts(&bundle, &leaf, "127.0.0.1", NOW + 3 * DAY));
        assert!(!trusts(
            &CertificateAuthority::make(NOW).unwrap().bundle(NOW),
            &leaf,
            "127.0.0.1",
            NOW + 3 * HOUR
        ));
    }

    #[test]
    fn a_certificate_is_renewed_before_it_runs_out() {
        let leaf = CertificateAuthority::make(NOW).unwrap().leaf(&names(), NOW + 2 * HOUR).unwrap();
        assert_eq!(leaf.renew_at, NOW + 18 * HOUR);
    }

    #[test]
    fn a_renewed_authority_is_known_before_it_signs() {
        let first = CertificateAuthority::make(NOW).unwrap();
        let later = NOW + LIFE / 3 * 2;
        assert!(!first.is_due(later - 1) && first.is_due(later));
        let old_bundle = first.bundle(NOW);
        let second = read_back(&first.renewed(later).unwrap());
        let new_bundle = second.bundle(later);
        // An agent that has not read the new bundle yet is served as before, and one that has is too.
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
    fn an_authority_that_ran_out_signs_nothing_more() {
        let much_later = NOW + 2 * LIFE;
        let second = CertificateAuthority::make(NOW).unwrap().renewed(much_later).unwrap();
        let leaf = second.leaf(&names(), much_later).unwrap();
        assert!(trusts(&second.bundle(much_later), &leaf, "127.0.0.1", much_later));
    }

    #[test]
    fn a_damaged_secret_is_told_with_what_to_do() {
        let data = CertificateAuthority::make(NOW).unwrap().to_data();
        for missing in ["ca.crt", "ca.key", "ca.made"] {
            let read = |key: &str| data.get(key).filter(|_| key != missing).cloned();
            assert!(
                CertificateAuthority::of_data(read).unwrap_err().to_string().contains("delete it"),
                "{missing}"
            );
        }
        let garbled =
            |key: &str| data.get(key).map(|text| if key == "ca.key" { "?" } else { text }.to_owned());
        assert!(CertificateAuthority::of_data(garbled).is_err());
    }

    #[test]
    fn a_key_is_never_printed() {
        let authority = CertificateAuthority::make(NOW).unwrap();
        assert!(!format!("{authority:?}").contains("PRIVATE"));
    }
}
