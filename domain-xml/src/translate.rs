//! The spellings of 2012 and 2013, in which pools were proposed to libvirt and never built.
//!
//! | proposed | today |
//! |---|---|
//! | `<source type='char'>/dev/hwrng</source>` | `<backend model='random'>/dev/hwrng</backend>` |
//! | `<source type='char'/>` | `<backend model='random'/>` |
//! | `<source type='egd'><remote type='unix' path='P'/></source>` | `<backend model='egd' type='unix'>…` |
//! | `<source type='egd'><remote type='tcp' host='H' port='S'/></source>` | `<backend model='egd' type='tcp'>…` |
//! | `<source type='pool' pool='default'>gold</source>` | the pool's socket, the choice in the metadata |
//! | `<backend model='pool' pool='default'>gold</backend>` | likewise |

use roxmltree::Node;

use crate::backend;
use crate::choice::{Choice, choose};
use crate::document::{Domain, child, children, is};
use crate::edit::{Edits, Indentation};
use crate::error::DomainError;
use crate::rewrite::{connect, replace_origin};

/// A domain as libvirt knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Its text.
    pub xml: String,
    /// The pool and class it named in a proposed spelling; the text's metadata say the same.
    pub choice: Option<Choice>,
}

/// Rewrites an `<rng>` that is spelled as was proposed; one that names a pool asks `socket` afterwards. Today's
/// spelling stays as it is.
pub fn translate(xml: &str, socket: &str) -> Result<Translation, DomainError> {
    let domain = Domain::read(xml)?;
    let unchanged = || Translation { xml: xml.to_owned(), choice: None };
    let Some(rng) = domain.rng()? else { return Ok(unchanged()) };
    match proposed(&domain, rng)? {
        None => Ok(unchanged()),
        Some(Proposed::Pool(choice)) => {
            let xml = choose(&connect(xml, socket)?, &choice)?;
            Ok(Translation { xml, choice: Some(choice) })
        }
        Some(Proposed::Backend(render)) => {
            let mut edits = Edits::default();
            replace_origin(&domain, rng, render, &mut edits);
            Ok(Translation { xml: edits.apply(xml), choice: None })
        }
    }
}

enum Proposed<'a> {
    Pool(Choice),
    Backend(Box<dyn FnOnce(&Indentation) -> String + 'a>),
}

fn proposed<'a>(domain: &Domain, rng: Node<'a, '_>) -> Result<Option<Proposed<'a>>, DomainError> {
    let pool = |element| read_pool(domain, element).map(|choice| Some(Proposed::Pool(choice)));
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
        Some(_) => Err(untranslatable(domain, source, "has a type that was never proposed")),
        None => Err(untranslatable(domain, source, "has no type")),
    }
}

fn read_pool(domain: &Domain, element: Node) -> Result<Choice, DomainError> {
    let pool = element.attribute("pool").map(str::trim).filter(|pool| !pool.is_empty());
    let no_pool = || DomainError::NoPool { element: domain.opening(element) };
    Ok(Choice { pool: pool.ok_or_else(no_pool)?.to_owned(), class: text(element).map(str::to_owned) })
}

fn read_egd<'a>(domain: &Domain, source: Node<'a, '_>) -> Result<Proposed<'a>, DomainError> {
    let remote = child(source, "remote").ok_or_else(|| untranslatable(domain, source, "has no <remote>"))?;
    let said = |name| remote.attribute(name).filter(|value: &&str| !value.is_empty());
    match remote.attribute("type") {
        Some("unix") => {
            let path = said("path").ok_or_else(|| untranslatable(domain, remote, "has no path"))?;
            Ok(Proposed::Backend(Box::new(move |lead| backend::egd(path, lead))))
        }
        Some("tcp") => {
            let host = said("host").ok_or_else(|| untranslatable(domain, remote, "has no host"))?;
            let port = said("port").or_else(|| said("service"));
            let port = port.ok_or_else(|| untranslatable(domain, remote, "has no port"))?;
            Ok(Proposed::Backend(Box::new(move |lead| backend::egd_tcp(host, port, lead))))
        }
        _ => Err(untranslatable(domain, remote, "is neither of type unix nor of type tcp")),
    }
}

fn untranslatable(domain: &Domain, element: Node, problem: &'static str) -> DomainError {
    DomainError::Untranslatable { element: domain.opening(element), problem }
}

fn text<'a>(element: Node<'a, '_>) -> Option<&'a str> {
    element.text().map(str::trim).filter(|text| !text.is_empty())
}
