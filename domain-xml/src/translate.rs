//! The spellings of pools that were proposed to libvirt in 2012 and 2013 and never implemented.
//!
//! | proposed | today |
//! |---|---|
//! | `<source type='char'>/dev/hwrng</source>` | `<backend model='random'>/dev/hwrng</backend>` |
//! | `<source type='char'/>` | `<backend model='random'/>` |
//! | `<source type='egd'><remote type='unix' path='P'/></source>` | `<backend model='egd' type='unix'>…` |
//! | `<source type='egd'><remote type='tcp' host='H' port='S'/></source>` | `<backend model='egd' type='tcp'>…` |
//! | `<source type='pool' pool='default'>gold</source>` | the pool's socket, and the pool and class in the metadata |
//! | `<backend model='pool' pool='default'>gold</backend>` | the same |

use roxmltree::Node;

use crate::backend;
use crate::document::{Domain, child, children, is};
use crate::edit::{Edits, Indentation};
use crate::error::DomainError;
use crate::rewrite::{connect, replace_origin};
use crate::selection::{PoolSelection, select};

/// A domain in libvirt's own spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    pub xml: String,
    /// The pool and class that a proposed spelling named; they are in the metadata of `xml` too.
    pub selection: Option<PoolSelection>,
}

/// Rewrites an `<rng>` in a proposed spelling; one that names a pool is connected to `socket`. Any other stays as it is.
pub fn translate(xml: &str, socket: &str) -> Result<Translation, DomainError> {
    let domain = Domain::read(xml)?;
    let unchanged = || Translation { xml: xml.to_owned(), selection: None };
    let Some(rng) = domain.rng()? else { return Ok(unchanged()) };
    match proposed(&domain, rng)? {
        None => Ok(unchanged()),
        Some(Proposed::Pool(selection)) => {
            let xml = select(&connect(xml, socket)?, &selection)?;
            Ok(Translation { xml, selection: Some(selection) })
        }
        Some(Proposed::Backend(render)) => {
            let mut edits = Edits::default();
            replace_origin(&domain, rng, render, &mut edits);
            Ok(Translation { xml: edits.apply(xml), selection: None })
        }
    }
}

enum Proposed<'a> {
    Pool(PoolSelection),
    Backend(Box<dyn FnOnce(&Indentation) -> String + 'a>),
}

fn proposed<'a>(domain: &Domain, rng: Node<'a, '_>) -> Result<Option<Proposed<'a>>, DomainError> {
    let pool = |element| read_pool(domain, element).map(|selection| Some(Proposed::Pool(selection)));
    if let Some(backend) = children(rng, "backend").find(|child| child.attribute("model") == Some("pool")) {
        return pool(backend);
    }
    let Some(source) = rng.children().find(|child| is(*child, "source")) else { return Ok(None) };
    match source.attribute("type") {
        Some("pool") => pool(source),
        Some("char") => {
            let path = text(source);
            Ok(Some(Proposed::Backend(Box::new(move |_| backend::random(path)))))
        }
        Some("egd") => read_egd(domain, source).map(Some),
        Some(_) => Err(untranslatable(domain, source, "has an unknown type")),
        None => Err(untranslatable(domain, source, "has no type")),
    }
}

fn read_pool(domain: &Domain, element: Node) -> Result<PoolSelection, DomainError> {
    let pool = element.attribute("pool").map(str::trim).filter(|pool| !pool.is_empty());
    let no_pool = || DomainError::NoPool { element: domain.start_tag(element) };
    Ok(PoolSelection { pool: pool.ok_or_else(no_pool)?.to_owned(), class: text(element).map(str::to_owned) })
}

fn read_egd<'a>(domain: &Domain, source: Node<'a, '_>) -> Result<Proposed<'a>, DomainError> {
    let remote = child(source, "remote").ok_or_else(|| untranslatable(domain, source, "has no <remote>"))?;
    let attribute = |name| remote.attribute(name).filter(|value: &&str| !value.is_empty());
    match remote.attribute("type") {
        Some("unix") => {
            let path = attribute("path").ok_or_else(|| untranslatable(domain, remote, "has no path"))?;
            Ok(Proposed::Backend(Box::new(move |lead| backend::egd(path, lead))))
        }
        Some("tcp") => {
            let host = attribute("host").ok_or_else(|| untranslatable(domain, remote, "has no host"))?;
            let port = attribute("port").or_else(|| attribute("service"));
            let port = port.ok_or_else(|| untranslatable(domain, remote, "has no port"))?;
            Ok(Proposed::Backend(Box::new(move |lead| backend::egd_tcp(host, port, lead))))
        }
        _ => Err(untranslatable(domain, remote, "has neither type='unix' nor type='tcp'")),
    }
}

fn untranslatable(domain: &Domain, element: Node, problem: &'static str) -> DomainError {
    DomainError::Untranslatable { element: domain.start_tag(element), problem }
}

fn text<'a>(element: Node<'a, '_>) -> Option<&'a str> {
    element.text().map(str::trim).filter(|text| !text.is_empty())
}
