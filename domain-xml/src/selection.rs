//! The pool and class of a domain, in an element of its metadata.

use roxmltree::Node;

use crate::document::{Domain, child};
use crate::edit::{Edits, Indentation, append, escape};
use crate::error::DomainError;

/// The XML namespace of the element; `virsh metadata DOMAIN NAMESPACE` shows it.
pub const NAMESPACE: &str = "https://entropool.io/libvirt/v1alpha1";
const ELEMENT: &str = "draw";

/// A pool, and perhaps a class of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSelection {
    pub pool: String,
    /// `None` is the pool's default class.
    pub class: Option<String>,
}

/// The selection in the domain's metadata.
pub fn selection(xml: &str) -> Result<Option<PoolSelection>, DomainError> {
    let domain = Domain::read(xml)?;
    find(&domain).map(|element| read(&domain, element)).transpose()
}

/// Writes the selection to the domain's metadata.
pub fn select(xml: &str, selection: &PoolSelection) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    match find(&domain) {
        Some(element) if read(&domain, element).as_ref() == Ok(selection) => {}
        Some(element) => edits.replace(element.range(), render(selection)),
        None => add(&domain, selection, &mut edits),
    }
    Ok(edits.apply(xml))
}

/// Removes the selection from the domain's metadata.
pub fn deselect(xml: &str) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    if let Some(element) = find(&domain) {
        edits.remove(domain.with_lead(element));
    }
    Ok(edits.apply(xml))
}

fn find<'a, 'x>(domain: &'a Domain<'x>) -> Option<Node<'a, 'x>> {
    child(domain.root(), "metadata")?.children().find(|child| child.has_tag_name((NAMESPACE, ELEMENT)))
}

fn read(domain: &Domain, element: Node) -> Result<PoolSelection, DomainError> {
    let attribute = |name| element.attribute(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let no_pool = || DomainError::SelectionWithoutPool { element: domain.start_tag(element) };
    Ok(PoolSelection { pool: attribute("pool").ok_or_else(no_pool)?, class: attribute("class") })
}

fn add(domain: &Domain, selection: &PoolSelection, edits: &mut Edits) {
    if let Some(metadata) = child(domain.root(), "metadata") {
        return append(domain, metadata, |_| render(selection), edits);
    }
    let metadata = |lead: &Indentation| {
        format!("<metadata>{}{}{}</metadata>", lead.deeper().as_str(), render(selection), lead.as_str())
    };
    append(domain, domain.root(), metadata, edits);
}

fn render(selection: &PoolSelection) -> String {
    let class = selection.class.as_deref();
    let class = class.map_or_else(String::new, |class| format!(" class='{}'", escape(class)));
    let pool = escape(&selection.pool);
    format!("<entropool:{ELEMENT} xmlns:entropool='{NAMESPACE}' pool='{pool}'{class}/>")
}
