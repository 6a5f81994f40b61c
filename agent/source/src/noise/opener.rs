//! From a source's kind to the source.

use super::device::Device;
use super::file::{File, Position};
use super::rdseed::Rdseed;
use super::upstream::Upstream;
use super::{Noise, Open, OpenSource};
use crate::spec::SourceKind;

/// What opens a noise source, as often as it takes; nothing for the kernel's generator, which is none.
/// `position` is where a file goes on.
pub(crate) fn opener(kind: SourceKind, position: Position) -> Option<Open> {
    Some(match kind {
        SourceKind::Kernel => return None,
        SourceKind::Rdseed => Box::new(|| boxed(Rdseed::open())),
        SourceKind::Device(path) => Box::new(move || boxed(Device::open(&path))),
        SourceKind::EgdUnix(path) => Box::new(move || boxed(Upstream::connect_unix(&path))),
        SourceKind::EgdTcp(address) => Box::new(move || boxed(Upstream::connect_tcp(&address))),
        SourceKind::File(path) => Box::new(move || boxed(File::open(&path, &position))),
    })
}

fn boxed<N: Noise + 'static>(opened: Result<N, OpenSource>) -> Result<Box<dyn Noise>, OpenSource> {
    Ok(Box::new(opened?))
}
