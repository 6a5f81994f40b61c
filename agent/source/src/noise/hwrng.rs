//! Which generator is behind `/dev/hwrng`.
//!
//! The kernel has one such device for all its hardware generators and reads the one of `rng_current`. Root may choose
//! another at any time, and the kernel chooses another when one appears or goes away.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::makedev;

use super::provenance::Nesting;

/// The file that tells, and changes, which generator is read.
const RNG_CURRENT: &str = "/sys/class/misc/hw_random/rng_current";
/// Beginnings of the names of generators that belong to the hypervisor: `drivers/char/hw_random/virtio-rng.c`,
/// `pseries-rng.c`, and `drivers/misc/nsm.c` (AWS Nitro).
const HYPERVISORS: [&str; 3] = ["virtio_rng", "pseries_rng", "nsm-hwrng"];

/// Where the kernel has it. Tests have their own.
#[derive(Clone, Debug)]
pub(super) struct Hwrng {
    /// The numbers of the device.
    pub(super) device: u64,
    pub(super) rng_current: PathBuf,
}

impl Default for Hwrng {
    fn default() -> Self {
        // Of major 10, `misc`: HWRNG_MINOR of `include/linux/miscdevice.h`.
        Self { device: makedev(10, 183), rng_current: RNG_CURRENT.into() }
    }
}

/// The generator at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CurrentGenerator {
    attribute: PathBuf,
    /// `None` if it cannot be told.
    name: Option<String>,
}

/// The kernel reads another generator than before.
#[derive(Debug, thiserror::Error)]
#[error("the generator behind it changed from {before} to {after}")]
pub(crate) struct GeneratorChanged {
    before: String,
    after: String,
}

impl CurrentGenerator {
    pub(super) fn read(attribute: &Path) -> Self {
        Self { attribute: attribute.to_owned(), name: name(attribute) }
    }

    pub(super) fn name(&self) -> Option<String> {
        self.name.clone()
    }

    /// Fails if it is another now.
    pub(super) fn check(&self) -> Result<(), GeneratorChanged> {
        let now = name(&self.attribute);
        if now == self.name {
            return Ok(());
        }
        let shown = |name: &Option<String>| name.clone().unwrap_or_else(|| "an unknown one".to_owned());
        Err(GeneratorChanged { before: shown(&self.name), after: shown(&now) })
    }

    pub(super) fn nesting(&self) -> Nesting {
        match &self.name {
            None => Nesting::Hidden,
            Some(name) if HYPERVISORS.iter().any(|start| name.starts_with(start)) => Nesting::Hypervisor,
            Some(_) => Nesting::NotKnown,
        }
    }

    /// Whether it calls itself a generator of pseudorandom numbers, as those of some systems on a chip do.
    pub(super) fn is_deterministic(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.to_ascii_lowercase().contains("prng"))
    }
}

/// `None` if it cannot be read, or is empty; `none` where the kernel has no generator.
fn name(attribute: &Path) -> Option<String> {
    let name = fs::read_to_string(attribute).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn current(name: &str) -> (tempfile::TempDir, CurrentGenerator) {
        let folder = tempfile::tempdir().unwrap();
        let attribute = folder.path().join("rng_current");
        fs::write(&attribute, format!("{name}\n")).unwrap();
        let current = CurrentGenerator::read(&attribute);
        (folder, current)
    }

    #[test]
    fn a_generator_of_the_hypervisor_is_known_by_its_name() {
        for (name, nesting) in [
            ("virtio_rng.0", Nesting::Hypervisor),
            ("virtio_rng.17", Nesting::Hypervisor),
            ("pseries_rng", Nesting::Hypervisor),
            ("nsm-hwrng", Nesting::Hypervisor),
            ("tpm-rng-0", Nesting::NotKnown),
            ("intel-rng", Nesting::NotKnown),
            ("none", Nesting::NotKnown),
            ("", Nesting::Hidden),
        ] {
            assert_eq!(current(name).1.nesting(), nesting, "{name}");
        }
        let missing = CurrentGenerator::read(Path::new("/missing"));
        assert_eq!((missing.nesting(), missing.name()), (Nesting::Hidden, None));
        assert!(missing.check().is_ok(), "it is as unknown as before");
    }

    #[test]
    fn a_change_is_noticed_and_says_from_what_to_what() {
        let (folder, current) = current("tpm-rng-0");
        assert!(current.check().is_ok());
        fs::write(folder.path().join("rng_current"), "virtio_rng.0\n").unwrap();
        let changed = current.check().unwrap_err().to_string();
        assert_eq!(changed, "the generator behind it changed from tpm-rng-0 to virtio_rng.0");
        fs::remove_file(folder.path().join("rng_current")).unwrap();
        assert!(current.check().unwrap_err().to_string().ends_with("to an unknown one"));
    }

    #[test]
    fn a_pseudorandom_generator_says_so_itself() {
        assert!(current("sun4i Security System PRNG").1.is_deterministic());
        assert!(!current("sun8i-ce-trng").1.is_deterministic());
    }
}
