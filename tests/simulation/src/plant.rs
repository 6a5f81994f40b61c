//! Bugs that are planted, so that it is known what would be found.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A QEMU that comes back is pushed nothing.
    NoPush,
    /// The agent is started again after three seconds only.
    SlowSupervisor,
    /// A source begins anew when it is opened again, with the bytes that it gave before.
    RewoundSource,
    /// A pool that should hold serves something else.
    DegradedInstead,
    /// Twice what the ceils say.
    LooseCeil,
    /// A refused edit is in force.
    BadEditTaken,
    /// After a restart the manifests are read without what was accepted before.
    Forgetful,
    /// Half of what is assured.
    ShortRate,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NoPush,
        Self::SlowSupervisor,
        Self::RewoundSource,
        Self::DegradedInstead,
        Self::LooseCeil,
        Self::BadEditTaken,
        Self::Forgetful,
        Self::ShortRate,
    ];

    /// The promise that it breaks.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::NoPush | Self::SlowSupervisor => "P3",
            Self::RewoundSource | Self::DegradedInstead => "P4",
            Self::BadEditTaken | Self::Forgetful => "P5",
            Self::LooseCeil => "ceil",
            Self::ShortRate => "rate",
        }
    }
}
