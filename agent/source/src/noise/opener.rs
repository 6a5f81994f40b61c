//! Opens a source of any kind.

use super::device::Device;
use super::file::{File, Position};
use super::own_sockets::OwnSockets;
use super::rdseed::Rdseed;
use super::upstream::Upstream;
use super::{Noise, OpenError, Opener};
use crate::spec::SourceKind;

/// `None` for the kernel's generator, which is not a noise source. `position` is where the next read of a file starts.
pub(crate) fn opener(kind: SourceKind, position: Position, own: OwnSockets) -> Option<Opener> {
    Some(match kind {
        SourceKind::Kernel => return None,
        SourceKind::Rdseed => Box::new(|| boxed(Rdseed::open())),
        SourceKind::Device(path) => Box::new(move || boxed(Device::open(&path))),
        SourceKind::EgdUnix(path) => Box::new(move || boxed(Upstream::connect_unix(&path, &own))),
        SourceKind::EgdTcp(address) => Box::new(move || boxed(Upstream::connect_tcp(&address, &own))),
        SourceKind::File(path) => Box::new(move || boxed(File::open(&path, &position))),
    })
}

fn boxed<N: Noise + 'static>(opened: Result<N, OpenError>) -> Result<Box<dyn Noise>, OpenError> {
    Ok(Box::new(opened?))
}
