//! Why a domain cannot be rewritten.

/// Why a domain is not rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not well-formed.
    #[error("the domain is not well-formed XML: {0}")]
    Malformed(roxmltree::Error),
    /// It is another XML document.
    #[error("the XML's root is <{found}>; that of a libvirt domain is <domain>")]
    NotADomain {
        /// Its root element.
        found: String,
    },
    /// One element has so many that no libvirt wrote it.
    #[error("{element} has more than {most} attributes, which no domain of libvirt has")]
    TooManyAttributes {
        /// Its start tag.
        element: String,
        most: usize,
    },
    /// They are so many that no libvirt wrote them.
    #[error("the domain declares {count} XML namespaces; declare each once, and at most {most}")]
    TooManyNamespaces { count: usize, most: usize },
    /// One of several devices would have to be chosen.
    #[error("the domain has {count} <rng> devices; leave one, since a VM draws from one pool")]
    SeveralRngs { count: usize },
    /// An element in a proposed spelling names no pool.
    #[error("{element} in the domain's <rng> names no pool; write pool='NAME'")]
    NoPool {
        /// Its start tag.
        element: String,
    },
    /// An element is in no known proposed spelling.
    #[error(
        "{element} in the domain's <rng> cannot be translated: it {problem}; \
         write type='char', type='egd' with a <remote>, or type='pool'"
    )]
    Untranslatable {
        /// Its start tag.
        element: String,
        problem: &'static str,
    },
    /// The element in the metadata names no pool.
    #[error("{element} in the domain's metadata names no pool; write pool='NAME'")]
    SelectionWithoutPool {
        /// Its start tag.
        element: String,
    },
}

/// Bytes of an element that are shown.
const SHOWN: usize = 200;

/// The beginning of a text that is long.
pub(crate) fn abbreviate(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(SHOWN);
    format!("{}…", &text[..end])
}
