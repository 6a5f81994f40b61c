//! The part of an `<rng>` that says where its bytes come from.

use roxmltree::Node;

use crate::document::{child, children, is};
use crate::edit::{Indentation, escape};

/// Where bytes come from that no pool gives: the host's generator, as `KubeVirt` and most others have it.
pub(crate) const HOST: &str = "<backend model='random'>/dev/urandom</backend>";

/// An EGD server at a unix socket. Without `reconnect` QEMU does not start before the server and never comes back
/// to it; a second is the shortest time libvirt can say.
pub(crate) fn egd(socket: &str, lead: &Indentation) -> String {
    let (one, two) = (lead.deeper(), lead.deeper().deeper());
    format!(
        "<backend model='egd' type='unix'>{one}<source mode='connect' path='{socket}'>\
         {two}<reconnect enabled='yes' timeout='1'/>{one}</source>{lead}</backend>",
        socket = escape(socket),
        lead = lead.as_str(),
        one = one.as_str(),
        two = two.as_str(),
    )
}

/// A file that is read.
pub(crate) fn random(path: Option<&str>) -> String {
    path.map_or("<backend model='random'/>".to_owned(), |path| {
        format!("<backend model='random'>{}</backend>", escape(path))
    })
}

/// An EGD server over TCP.
pub(crate) fn egd_tcp(host: &str, service: &str, lead: &Indentation) -> String {
    let (one, two) = (lead.deeper(), lead.deeper().deeper());
    format!(
        "<backend model='egd' type='tcp'>{one}<source mode='connect' host='{host}' service='{service}'>\
         {two}<reconnect enabled='yes' timeout='1'/>{one}</source>{one}<protocol type='raw'/>{lead}</backend>",
        host = escape(host),
        service = escape(service),
        lead = lead.as_str(),
        one = one.as_str(),
        two = two.as_str(),
    )
}

/// The elements of an `<rng>` that say where its bytes come from: today's, and the ones that were proposed.
pub(crate) fn origins<'a, 'x>(rng: Node<'a, 'x>) -> impl Iterator<Item = Node<'a, 'x>> {
    rng.children().filter(|child| is(*child, "backend") || is(*child, "source"))
}

/// The unix socket that an `<rng>` asks.
pub(crate) fn socket<'a>(rng: Node<'a, '_>) -> Option<&'a str> {
    let backend = child(rng, "backend")?;
    let unix = backend.attribute("model") == Some("egd") && backend.attribute("type") == Some("unix");
    if unix { child(backend, "source")?.attribute("path") } else { None }
}

/// Whether an `<rng>` asks `wanted` in just the way that [`egd`] says it. What libvirt and others add is theirs.
pub(crate) fn asks(rng: Node, wanted: &str) -> bool {
    let connects = |source: Node| {
        source.attribute("mode") == Some("connect") && child(source, "reconnect").is_some_and(comes_back)
    };
    socket(rng) == Some(wanted)
        && origins(rng).count() == 1
        && child(rng, "backend").and_then(|backend| child(backend, "source")).is_some_and(connects)
        && children(rng, "rate").next().is_none()
}

fn comes_back(reconnect: Node) -> bool {
    reconnect.attribute("enabled") == Some("yes") && reconnect.attribute("timeout") == Some("1")
}
