//! To a pool's socket, and back.

use roxmltree::Node;

use crate::backend;
use crate::document::{Domain, children};
use crate::edit::{Edits, Indentation, append};
use crate::error::DomainError;

/// Has the domain's `<rng>` ask the EGD server at `socket`, and adds one where there is none.
///
/// Model, driver, alias and address stay as they are. A `<rate>` goes: with a pool, QEMU's own limit makes it ask
/// for the same bytes over and over, and the pool's class is the limit now.
pub fn connect(xml: &str, socket: &str) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    match domain.rng()? {
        Some(rng) if backend::asks(rng, socket) => {}
        Some(rng) => {
            replace_origin(&domain, rng, |lead| backend::egd(socket, lead), &mut edits);
            children(rng, "rate").for_each(|rate| edits.remove(domain.with_lead(rate)));
        }
        None => add(&domain, socket, &mut edits),
    }
    Ok(edits.apply(xml))
}

/// Gives an `<rng>` that asks an EGD server at a unix socket back to the host's generator. Any other stays.
pub fn disconnect(xml: &str) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    if let Some(rng) = domain.rng()?.filter(|rng| backend::socket(*rng).is_some()) {
        replace_origin(&domain, rng, |_| backend::HOST.to_owned(), &mut edits);
    }
    Ok(edits.apply(xml))
}

/// The unix socket that the domain's `<rng>` asks, if it asks one.
pub fn socket(xml: &str) -> Result<Option<String>, DomainError> {
    let domain = Domain::read(xml)?;
    Ok(domain.rng()?.and_then(|rng| backend::socket(rng).map(str::to_owned)))
}

/// Puts what `render` gives where it was said so far where bytes come from.
pub(crate) fn replace_origin(
    domain: &Domain,
    rng: Node,
    render: impl FnOnce(&Indentation) -> String,
    edits: &mut Edits,
) {
    let mut origins = backend::origins(rng);
    match origins.next() {
        Some(first) => {
            edits.replace(first.range(), render(&Indentation::new(domain.lead(first.range().start))));
            origins.for_each(|other| edits.remove(domain.with_lead(other)));
        }
        None => append(domain, rng, render, edits),
    }
}

fn add(domain: &Domain, socket: &str, edits: &mut Edits) {
    let rng = |lead: &Indentation| {
        let inner = lead.deeper();
        let backend = backend::egd(socket, &inner);
        format!("<rng model='virtio'>{}{backend}{}</rng>", inner.as_str(), lead.as_str())
    };
    if let Some(devices) = domain.devices() {
        return append(domain, devices, rng, edits);
    }
    let devices = |lead: &Indentation| {
        let inner = lead.deeper();
        format!("<devices>{}{}{}</devices>", inner.as_str(), rng(&inner), lead.as_str())
    };
    append(domain, domain.root(), devices, edits);
}
