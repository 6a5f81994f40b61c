//! Which pool and class a domain is to have, kept where libvirt keeps what is not its own.

use roxmltree::Node;

use crate::document::{Domain, child};
use crate::edit::{Edits, Indentation, append, escape};
use crate::error::DomainError;

/// The namespace of the element in `<metadata>`; `virsh metadata DOMAIN NAMESPACE` shows it.
pub const NAMESPACE: &str = "https://entropool.io/libvirt/v1alpha1";
/// Its element.
const ELEMENT: &str = "draw";

/// A pool, and perhaps a class of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The pool.
    pub pool: String,
    /// `None` is the pool's default class.
    pub class: Option<String>,
}

/// What the domain's metadata choose.
pub fn choice(xml: &str) -> Result<Option<Choice>, DomainError> {
    let domain = Domain::read(xml)?;
    kept(&domain).map(|element| read(&domain, element)).transpose()
}

/// Has the domain's metadata choose this.
pub fn choose(xml: &str, choice: &Choice) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    match kept(&domain) {
        Some(element) if read(&domain, element).as_ref() == Ok(choice) => {}
        Some(element) => edits.replace(element.range(), render(choice)),
        None => keep(&domain, choice, &mut edits),
    }
    Ok(edits.apply(xml))
}

/// Has the domain's metadata choose nothing.
pub fn forget(xml: &str) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    if let Some(element) = kept(&domain) {
        edits.remove(domain.with_lead(element));
    }
    Ok(edits.apply(xml))
}

fn kept<'a, 'x>(domain: &'a Domain<'x>) -> Option<Node<'a, 'x>> {
    child(domain.root(), "metadata")?.children().find(|child| child.has_tag_name((NAMESPACE, ELEMENT)))
}

fn read(domain: &Domain, element: Node) -> Result<Choice, DomainError> {
    let named = |name| element.attribute(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let empty = || DomainError::EmptyChoice { element: domain.opening(element) };
    Ok(Choice { pool: named("pool").ok_or_else(empty)?, class: named("class") })
}

fn keep(domain: &Domain, choice: &Choice, edits: &mut Edits) {
    if let Some(metadata) = child(domain.root(), "metadata") {
        return append(domain, metadata, |_| render(choice), edits);
    }
    let metadata = |lead: &Indentation| {
        format!("<metadata>{}{}{}</metadata>", lead.deeper().as_str(), render(choice), lead.as_str())
    };
    append(domain, domain.root(), metadata, edits);
}

fn render(choice: &Choice) -> String {
    let class = choice.class.as_deref().map_or(String::new(), |class| format!(" class='{}'", escape(class)));
    let pool = escape(&choice.pool);
    format!("<entropool:{ELEMENT} xmlns:entropool='{NAMESPACE}' pool='{pool}'{class}/>")
}
