//! What is said about a domain that cannot be rewritten.

/// Why a domain stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not XML.
    #[error("the domain is not well-formed XML: {0}")]
    Malformed(roxmltree::Error),
    /// It is XML of something else.
    #[error("the XML is a <{found}>, and a libvirt domain is a <domain>")]
    NotADomain {
        /// Its outermost element.
        found: String,
    },
    /// There is no telling which is meant.
    #[error("the domain has {count} <rng> devices; leave one, since a VM draws from one pool")]
    SeveralRngs {
        /// How many.
        count: usize,
    },
    /// A proposed spelling that names no pool.
    #[error("{element} in the domain's <rng> names no pool; write pool='NAME'")]
    NoPool {
        /// As it was found, without what is in it.
        element: String,
    },
    /// A proposed spelling that says nothing that can be translated.
    #[error(
        "{element} in the domain's <rng> cannot be translated: it {problem}; \
         known are type='char', type='egd' with a <remote>, and type='pool'"
    )]
    Untranslatable {
        /// As it was found, without what is in it.
        element: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nowhere to keep the choice under.
    #[error("the domain's metadata names no pool: {element} needs pool='NAME'")]
    EmptyChoice {
        /// As it was found.
        element: String,
    },
}
