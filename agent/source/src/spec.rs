//! A pool's configuration: its sources, and what it promises.

use std::fmt;
use std::path::PathBuf;

use crate::health::MinEntropy;

/// The bytes of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    pub name: String,
    pub sources: Vec<SourceSpec>,
    /// What is promised for every byte.
    pub output: Output,
    /// With fewer healthy sources than this, `on_failure` decides. Only sources that the output may depend on count.
    pub min_healthy: usize,
    pub on_failure: OnFailure,
}

impl PoolSpec {
    /// Whether the pool serves the kernel's own bytes, which needs neither thread nor queue.
    pub fn is_kernel_only(&self) -> bool {
        let kernel = |source: &SourceSpec| source.kind == SourceKind::Kernel;
        self.output == Output::Stretched && self.sources.iter().all(kernel)
    }

    /// Whether bytes that a pool of the older spec made keep this one's promise: the same output, and every source that
    /// the older rests on is still one of these, with the same claim and tests.
    pub(crate) fn continues(&self, older: &Self) -> bool {
        let counted = |source: &&SourceSpec| source.counts(older.output);
        self.output == older.output
            && older
                .sources
                .iter()
                .filter(counted)
                .all(|old| self.sources.iter().any(|source| source.is_tested_like(old)))
    }
}

/// One source of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    pub name: String,
    pub kind: SourceKind,
    /// A higher tier is active only while no source of a lower one is healthy.
    pub tier: u32,
    /// Assessed min-entropy of a byte; `None` earns no credit.
    pub min_entropy: Option<MinEntropy>,
    /// Whether it earns credit also if the hypervisor of this machine, or another entropool, makes its bytes.
    pub credit_nested: bool,
    /// Whether every block must pass the FIPS 140-2 tests before it is used, by `rngd`'s rules. Without it a source of 7
    /// bits or more is still tested by blocks, but not held back.
    pub block_tests: bool,
}

impl SourceSpec {
    /// Assessed min-entropy that earns credit; `None` for the kernel, which is not a noise source.
    pub(crate) fn credited_min_entropy(&self) -> Option<MinEntropy> {
        self.min_entropy.filter(|_| self.kind != SourceKind::Kernel)
    }

    /// Whether this output may rest on it.
    pub(crate) fn counts(&self, output: Output) -> bool {
        match output {
            Output::Stretched => true,
            Output::FullEntropy | Output::Raw => self.credited_min_entropy().is_some(),
        }
    }

    /// Whether the tests of one continue those of the other.
    pub(crate) fn is_tested_like(&self, other: &Self) -> bool {
        (&self.kind, self.min_entropy, self.block_tests)
            == (&other.kind, other.min_entropy, other.block_tests)
    }

    /// What its health tests assume: the assessment, or one bit where there is none.
    pub(crate) fn tested_min_entropy(&self) -> MinEntropy {
        const ONE_BIT: MinEntropy = MinEntropy::from_thousandths(1000).expect("within 1 to 8000");
        self.min_entropy.unwrap_or(ONE_BIT)
    }
}

/// Where the bytes of a source come from. Sources of equal kind are one source, opened once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// The kernel's generator, which is not a noise source.
    Kernel,
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
    /// Output of a DRBG that is seeded from the sources.
    Stretched,
    /// Conditioned blocks with as many bits of entropy as bits.
    FullEntropy,
    /// Tested samples, unconditioned.
    Raw,
}

/// What happens when too few sources are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Serves nothing.
    Hold,
    /// Serves a DRBG's output, marked as degraded.
    Degrade,
}
