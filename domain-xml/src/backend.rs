//! The `<backend>` of an `<rng>`.

use roxmltree::Node;

use crate::document::{child, children, is};
use crate::edit::{Indentation, escape};

/// The host's generator, as `KubeVirt` and most others spell it.
pub(crate) const HOST: &str = "<backend model='random'>/dev/urandom</backend>";

/// An EGD server on a unix socket. Without `reconnect` QEMU does not start before the server and never reconnects to it;
/// one second is libvirt's shortest time.
pub(crate) fn egd(socket: &str, indentation: &Indentation) -> String {
    let (one, two) = (indentation.deeper(), indentation.deeper().deeper());
    format!(
        "<backend model='egd' type='unix'>{one}<source mode='connect' path='{socket}'>\
         {two}<reconnect enabled='yes' timeout='1'/>{one}</source>{lead}</backend>",
        socket = escape(socket),
        lead = indentation.as_str(),
        one = one.as_str(),
        two = two.as_str(),
    )
}

/// A file or device.
pub(crate) fn random(path: Option<&str>) -> String {
    path.map_or("<backend model='random'/>".to_owned(), |path| {
        format!("<backend model='random'>{}</backend>", escape(path))
    })
}

/// An EGD server over TCP.
pub(crate) fn egd_tcp(host: &str, service: &str, indentation: &Indentation) -> String {
    let (one, two) = (indentation.deeper(), indentation.deeper().deeper());
    format!(
        "<backend model='egd' type='tcp'>{one}<source mode='connect' host='{host}' service='{service}'>\
         {two}<reconnect enabled='yes' timeout='1'/>{one}</source>{one}<protocol type='raw'/>{lead}</backend>",
        host = escape(host),
        service = escape(service),
        lead = indentation.as_str(),
        one = one.as_str(),
        two = two.as_str(),
    )
}

/// The backend of an `<rng>`, in libvirt's own spelling or a proposed one.
pub(crate) fn origins<'a, 'x>(rng: Node<'a, 'x>) -> impl Iterator<Item = Node<'a, 'x>> {
    rng.children().filter(|child| is(*child, "backend") || is(*child, "source"))
}

/// The unix socket that an `<rng>` is connected to.
pub(crate) fn socket<'a>(rng: Node<'a, '_>) -> Option<&'a str> {
    let backend = child(rng, "backend")?;
    let unix = backend.attribute("model") == Some("egd") && backend.attribute("type") == Some("unix");
    if unix { child(backend, "source")?.attribute("path") } else { None }
}

/// Whether an `<rng>` is connected to `wanted` as [`egd`] writes it, whatever else libvirt and others add.
pub(crate) fn is_connected(rng: Node, wanted: &str) -> bool {
    let connects = |source: Node| {
        source.attribute("mode") == Some("connect") && child(source, "reconnect").is_some_and(reconnects)
    };
    socket(rng) == Some(wanted)
        && origins(rng).count() == 1
        && child(rng, "backend").and_then(|backend| child(backend, "source")).is_some_and(connects)
        && children(rng, "rate").next().is_none()
}

fn reconnects(reconnect: Node) -> bool {
    reconnect.attribute("enabled") == Some("yes") && reconnect.attribute("timeout") == Some("1")
}
