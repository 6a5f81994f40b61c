//! Connects an `<rng>` to a pool's socket, and back to the host's generator.

use roxmltree::Node;

use crate::backend;
use crate::document::{Domain, children};
use crate::edit::{Edits, Indentation, append};
use crate::error::DomainError;

/// Connects the domain's `<rng>` to the EGD server on `socket`, and adds an `<rng>` if there is none.
///
/// Model, driver, alias and address stay as they are. A `<rate>` is removed: QEMU's own limit makes it request the same
/// bytes repeatedly, and the class of the VM is the limit now.
pub fn connect(xml: &str, socket: &str) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    match domain.rng()? {
        Some(rng) if backend::is_connected(rng, socket) => {}
        Some(rng) => {
            replace_origin(&domain, rng, |indentation| backend::egd(socket, indentation), &mut edits);
            children(rng, "rate").for_each(|rate| edits.remove(domain.with_lead(rate)));
        }
        None => add(&domain, socket, &mut edits),
    }
    Ok(edits.apply(xml))
}

/// Returns an `<rng>` that is connected to a unix socket to the host's generator. Any other stays as it is.
pub fn disconnect(xml: &str) -> Result<String, DomainError> {
    let domain = Domain::read(xml)?;
    let mut edits = Edits::default();
    if let Some(rng) = domain.rng()?.filter(|rng| backend::socket(*rng).is_some()) {
        replace_origin(&domain, rng, |_| backend::HOST.to_owned(), &mut edits);
    }
    Ok(edits.apply(xml))
}

/// The unix socket that the domain's `<rng>` is connected to.
pub fn socket(xml: &str) -> Result<Option<String>, DomainError> {
    let domain = Domain::read(xml)?;
    Ok(domain.rng()?.and_then(|rng| backend::socket(rng).map(str::to_owned)))
}

/// Replaces the backend of an `<rng>` by what `render` returns.
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
    let rng = |indentation: &Indentation| {
        let inner = indentation.deeper();
        let backend = backend::egd(socket, &inner);
        format!("<rng model='virtio'>{}{backend}{}</rng>", inner.as_str(), indentation.as_str())
    };
    if let Some(devices) = domain.devices() {
        return append(domain, devices, rng, edits);
    }
    let devices = |indentation: &Indentation| {
        let inner = indentation.deeper();
        format!("<devices>{}{}{}</devices>", inner.as_str(), rng(&inner), indentation.as_str())
    };
    append(domain, domain.root(), devices, edits);
}
