//! What an open source turned out to be.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Which source it is, whatever its name, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// `None` only for a source of a test.
    identity: Option<SourceIdentity>,
    /// Where the links of its path lead.
    resolved: Option<PathBuf>,
    /// The file of a socket or of a regular file, without links.
    file: Option<PathBuf>,
    /// What is behind it, by the name that the kernel gives it: of `/dev/hwrng` the generator, of an EGD server the program.
    generator: Option<String>,
    nesting: Nesting,
}

/// Sources of equal identity are one source: what one gives, the other does not give again, and they fail together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceIdentity {
    Processor,
    /// The numbers of a character device: `st_rdev`.
    Device(u64),
    /// A file, or the file of a socket: `st_dev` and `st_ino`.
    Inode(u64, u64),
    Address(SocketAddr),
}

/// Whether somebody else's generator makes the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Nesting {
    #[default]
    NotKnown,
    /// The hypervisor of this machine does.
    Hypervisor,
    /// Nobody can tell what is behind `/dev/hwrng`.
    Hidden,
    /// Another entropool does, out of a pool of which the protocol tells nothing.
    Entropool,
    /// Nobody can tell which program the EGD server is.
    UnknownServer,
}

/// What the names of the programs that serve EGD for an entropool begin with.
const ENTROPOOL: &str = "entropool";

impl Provenance {
    pub(crate) fn of(identity: SourceIdentity) -> Self {
        Self { identity: Some(identity), ..Self::default() }
    }

    pub(super) fn resolved_to(self, path: PathBuf) -> Self {
        Self { resolved: Some(path), ..self }
    }

    /// What it is known by when its file is made anew.
    pub(super) fn with_file(self, file: PathBuf) -> Self {
        Self { file: Some(file), ..self }
    }

    pub(crate) fn nested(self, nesting: Nesting, generator: Option<String>) -> Self {
        Self { generator, nesting, ..self }
    }

    /// An EGD server that is this program, if anybody can tell.
    pub(super) fn served_by(self, program: Option<&OsStr>) -> Self {
        let program = program.map(|program| program.to_string_lossy().into_owned());
        let nesting = match program.as_deref() {
            None => Nesting::UnknownServer,
            Some(program) if program.starts_with(ENTROPOOL) => Nesting::Entropool,
            Some(_) => Nesting::NotKnown,
        };
        self.nested(nesting, program)
    }

    /// A server that nobody could tell sent what only an entropool sends.
    pub(super) fn revealed_as_entropool(self) -> Self {
        let program = self.generator.clone().unwrap_or_else(|| ENTROPOOL.to_owned());
        self.nested(Nesting::Entropool, Some(program))
    }

    /// Whether both are one source.
    pub(crate) fn is_same_source(&self, other: &Self) -> bool {
        self.identity.is_some() && self.identity == other.identity
    }

    /// Whether samples of the other may follow samples of this one.
    pub(crate) fn is_continued_by(&self, other: &Self) -> bool {
        (&self.identity, &self.generator) == (&other.identity, &other.generator)
    }

    /// Whether it earns credit without its pool saying so.
    pub(crate) fn earns_credit(&self) -> bool {
        matches!(self.nesting, Nesting::NotKnown | Nesting::UnknownServer)
    }

    /// Why it earns no credit unless its pool says so; `None` if it does.
    pub(crate) fn no_credit(&self) -> Option<String> {
        let generator = self.generator.as_deref().unwrap_or("an unknown generator");
        let (why, kind) = match self.nesting {
            Nesting::NotKnown | Nesting::UnknownServer => return None,
            Nesting::Hypervisor => {
                (format!("its bytes come from the hypervisor of this machine ({generator})"), "device")
            }
            Nesting::Hidden => {
                let why = "nobody can tell whose its bytes are: the kernel does not say which generator is behind it";
                (why.to_owned(), "device")
            }
            Nesting::Entropool => {
                let why = "its bytes come from another entropool, whose pool may be Stretched: the protocol does not say";
                (why.to_owned(), "egd")
            }
        };
        Some(format!(
            "{why}; it is mixed in and earns no credit, unless the pool has {kind}.creditNested: true"
        ))
    }

    /// What its health is recorded by: an identity that outlives a restart of the host, as far as there is one. An inode
    /// does not.
    pub(crate) fn lasting_identity(&self) -> Option<String> {
        match &self.identity {
            Some(SourceIdentity::Inode(..)) | None => {
                self.file.as_ref().map(|file| file.display().to_string())
            }
            Some(identity) => Some(identity.to_string()),
        }
    }

    /// The identity in words.
    pub(crate) fn identity(&self) -> String {
        self.identity.as_ref().map(SourceIdentity::to_string).unwrap_or_default()
    }

    /// In a few words what its name does not say: where its path leads, which generator or
    /// program it is, and whether it is nested.
    pub(crate) fn details(&self) -> Option<String> {
        let details: Vec<String> = self
            .resolved
            .iter()
            .map(|path| path.display().to_string())
            .chain(self.generator.clone())
            .chain(self.nesting.word().map(str::to_owned))
            .collect();
        (!details.is_empty()).then(|| details.join(", "))
    }
}

impl Nesting {
    fn word(self) -> Option<&'static str> {
        match self {
            Self::NotKnown => None,
            Self::Hidden => Some("generator unknown"),
            Self::Hypervisor | Self::Entropool => Some("nested"),
            Self::UnknownServer => Some("server unknown"),
        }
    }
}

impl fmt::Display for SourceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor => f.write_str("the processor"),
            Self::Device(rdev) => write!(f, "device {}", numbers(*rdev)),
            Self::Inode(device, inode) => write!(f, "inode {inode} of {}", numbers(*device)),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// `major:minor`.
pub(super) fn numbers(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}
