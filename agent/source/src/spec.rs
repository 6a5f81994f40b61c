//! What a pool is told about its bytes: its sources, and what it promises.

use std::fmt;
use std::path::PathBuf;

use crate::health::MinEntropy;

/// The bytes of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// The pool's name.
    pub name: String,
    /// Where its bytes come from.
    pub sources: Vec<SourceSpec>,
    /// What is promised for every byte.
    pub output: Output,
    /// Fewer healthy sources than this, and `on_failure` decides. Only those count that the output may rest on.
    pub min_healthy: usize,
    /// What happens then.
    pub on_failure: OnFailure,
}

impl PoolSpec {
    /// A pool that serves the kernel's own bytes, and needs neither thread nor buffer for it.
    pub fn is_kernel_only(&self) -> bool {
        let kernel = |source: &SourceSpec| source.kind == SourceKind::Kernel;
        self.output == Output::Stretched && self.sources.iter().all(kernel)
    }
}

/// One source of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its name within the pool.
    pub name: String,
    /// Where the bytes come from.
    pub kind: SourceKind,
    /// A higher tier serves only while no source of a lower one is healthy.
    pub tier: u32,
    /// What a byte was assessed to be worth; `None` earns no credit.
    pub min_entropy: Option<MinEntropy>,
    /// The most bytes it gives in a second, if known: health tests of a slow source can be more sensitive.
    pub bytes_per_second: Option<u64>,
    /// Run the FIPS 140-2 block tests too.
    pub block_tests: bool,
}

impl SourceSpec {
    /// What a byte earns; nothing from the kernel, which is no noise source.
    pub(crate) fn credited(&self) -> Option<MinEntropy> {
        self.min_entropy.filter(|_| self.kind != SourceKind::Kernel)
    }

    /// What its health tests assume: the assessment, or one bit where there is none.
    pub(crate) fn tested_as(&self) -> MinEntropy {
        const ONE_BIT: MinEntropy = MinEntropy::from_tenths(10).expect("within 1 to 80");
        self.min_entropy.unwrap_or(ONE_BIT)
    }
}

/// Where the bytes of a source come from. Two sources of one kind are one, opened once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// The kernel's generator: no noise source.
    Kernel,
    /// The processor's instruction RDSEED.
    Rdseed,
    /// A character device.
    Device(PathBuf),
    /// An EGD server on a unix socket.
    EgdUnix(PathBuf),
    /// An EGD server over TCP, `host:port`.
    EgdTcp(String),
    /// A regular file, for tests.
    File(PathBuf),
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel => f.write_str("the kernel's generator"),
            Self::Rdseed => f.write_str("RDSEED"),
            Self::Device(path) => write!(f, "device {}", path.display()),
            Self::EgdUnix(path) => write!(f, "EGD server {}", path.display()),
            Self::EgdTcp(address) => write!(f, "EGD server {address}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// What is promised for every byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A generator's output, seeded from the sources.
    Stretched,
    /// Conditioned blocks with as much entropy as bits.
    FullEntropy,
    /// Tested samples as they come.
    Raw,
}

/// What happens when too few sources are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Silence over weak bytes.
    Hold,
    /// A generator's output, marked as less than was promised.
    Degrade,
}
