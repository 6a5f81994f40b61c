//! Certificates of the controller, and some that are none of it.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, NameConstraints, SanType,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use time::{Duration, OffsetDateTime};

/// What a server shows, and the key that it has.
pub(super) struct Shown {
    pub(super) pem: String,
    pub(super) key: String,
    /// Instead of what is in the PEM.
    raw: Option<Vec<CertificateDer<'static>>>,
}

/// Who signs: an authority as ours is, and one that has others below it.
pub(super) struct Roots {
    own: Signer,
    wide: Signer,
}

struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

type Change<'a> = &'a dyn Fn(&mut CertificateParams);

impl Roots {
    pub(super) fn make() -> Self {
        let own = Signer::root("own", BasicConstraints::Constrained(0));
        Self { own, wide: Signer::root("wide", BasicConstraints::Unconstrained) }
    }

    /// What agents believe.
    pub(super) fn bundle(&self) -> String {
        format!("{}{}", self.own.pem, self.wide.pem)
    }

    /// The controller's.
    pub(super) fn good(&self) -> Shown {
        self.own.leaf(&|_| {})
    }

    /// Everything else.
    pub(super) fn bad(&self) -> Vec<(&'static str, Shown)> {
        let mut all = self.of_its_own_fault();
        all.extend(self.of_its_chain());
        all
    }

    fn of_its_own_fault(&self) -> Vec<(&'static str, Shown)> {
        let own = |change: Change<'_>| self.own.leaf(change);
        let (day, now) = (Duration::days(1), OffsetDateTime::now_utc());
        let mut strange_key = own(&|_| {});
        strange_key.key = KeyPair::generate().unwrap().serialize_pem();
        let raw = |raw| Shown { raw: Some(raw), ..own(&|_| {}) };
        vec![
            ("expired", own(&|it| (it.not_before, it.not_after) = (now - day * 3, now - day))),
            ("not good yet", own(&|it| (it.not_before, it.not_after) = (now + day, now + day * 3))),
            ("of another name", own(&|it| it.subject_alt_names = vec![dns("controller.example")])),
            ("of another address", own(&|it| it.subject_alt_names = vec![address("127.0.0.2")])),
            ("of the address, as a name", own(&|it| it.subject_alt_names = vec![dns("127.0.0.1")])),
            ("of every name", own(&|it| it.subject_alt_names = vec![dns("*.example")])),
            (
                "of no name but in its subject",
                own(&|it| {
                    it.subject_alt_names = Vec::new();
                    it.distinguished_name.push(DnType::CommonName, "127.0.0.1");
                }),
            ),
            ("for clients", own(&|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])),
            ("for code", own(&|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning])),
            ("of an authority", own(&|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
            (
                "with a demand that nobody knows",
                own(&|it| {
                    let mut unknown =
                        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
                    unknown.set_criticality(true);
                    it.custom_extensions = vec![unknown];
                }),
            ),
            ("with another's key", strange_key),
            ("none", raw(Vec::new())),
            ("that is none", raw(vec![CertificateDer::from(vec![0x30, 3, 2, 1, 1])])),
        ]
    }

    fn of_its_chain(&self) -> Vec<(&'static str, Shown)> {
        let stranger = Signer::root("own", BasicConstraints::Constrained(0));
        let ca: Change<'_> = &|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let expired: Change<'_> = &|it| {
            ca(it);
            it.not_after = OffsetDateTime::now_utc() - Duration::days(1);
        };
        let elsewhere: Change<'_> = &|it| {
            ca(it);
            let subnet = CidrSubnet::from_addr_prefix("127.0.0.0".parse::<IpAddr>().unwrap(), 8);
            let excluded_subtrees = vec![GeneralSubtree::IpAddress(subnet)];
            it.name_constraints = Some(NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees });
        };
        vec![
            ("signed by itself", Signer::itself()),
            ("signed by a stranger of the same name", stranger.leaf(&|_| {})),
            ("signed by a server", self.own.below(&|_| {}, true)),
            ("below one that is not shown", self.wide.below(ca, false)),
            ("below one that has expired", self.wide.below(expired, true)),
            ("below one that may not sign for the address", self.wide.below(elsewhere, true)),
        ]
    }
}

impl Signer {
    fn root(name: &str, constraints: BasicConstraints) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(constraints);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What is good but for the change.
    fn leaf(&self, change: Change<'_>) -> Shown {
        let (key, mut params) = (KeyPair::generate().unwrap(), usual());
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Shown { pem, key: key.serialize_pem(), raw: None }
    }

    /// One that is good but for what stands between it and this one.
    fn below(&self, change: Change<'_>, shown: bool) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "between");
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let between = Self { issuer: Issuer::new(params, key), pem };
        let leaf = between.leaf(&|_| {});
        let pem = if shown { format!("{}{}", leaf.pem, between.pem) } else { leaf.pem };
        Shown { pem, key: leaf.key, raw: None }
    }

    fn itself() -> Shown {
        let key = KeyPair::generate().unwrap();
        Shown { pem: usual().self_signed(&key).unwrap().pem(), key: key.serialize_pem(), raw: None }
    }
}

impl Shown {
    pub(super) fn resolver(&self) -> Arc<SingleCertAndKey> {
        let read = || CertificateDer::pem_slice_iter(self.pem.as_bytes()).map(Result::unwrap).collect();
        let chain = self.raw.clone().unwrap_or_else(read);
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        // Not looked at whether they belong together.
        Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, any_supported_type(&key).unwrap())))
    }
}

fn usual() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn address(address: &str) -> SanType {
    SanType::IpAddress(address.parse().unwrap())
}
