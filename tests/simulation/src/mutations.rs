//! Bugs that are planted, so that it is known what would be found.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
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
    /// A refused edit is in effect.
    BadEditTaken,
    /// After a restart the manifests are read without what was accepted before.
    Forgetful,
    /// Half of what is assured.
    ShortRate,
    /// A pool says that it holds and goes on.
    HeldInNameOnly,
    /// The state file of a process that died is not there.
    ForgottenDebts,
    /// The same, where nobody looks at debts: who may not be pushed anything is pushed something.
    ForgottenManners,
    /// A successor is not told what is asked and not answered.
    LostDemand,
    /// A successor gets no connections.
    DroppedConnections,
    /// A VM that moves begins anew.
    MovedWithoutDebt,
    /// Nobody writes down that a VM was attached.
    UnsavedAttach,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NoPush,
        Self::SlowSupervisor,
        Self::RewoundSource,
        Self::DegradedInstead,
        Self::LooseCeil,
        Self::BadEditTaken,
        Self::Forgetful,
        Self::ShortRate,
        Self::HeldInNameOnly,
        Self::ForgottenDebts,
        Self::ForgottenManners,
        Self::LostDemand,
        Self::DroppedConnections,
        Self::MovedWithoutDebt,
        Self::UnsavedAttach,
    ];

    /// The promise that it breaks.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::NoPush | Self::SlowSupervisor | Self::LostDemand | Self::DroppedConnections => "P3",
            Self::RewoundSource | Self::DegradedInstead | Self::HeldInNameOnly => "P4",
            Self::BadEditTaken | Self::Forgetful | Self::UnsavedAttach => "P5",
            Self::ForgottenDebts | Self::MovedWithoutDebt => "debts",
            Self::ForgottenManners => "EGD",
            Self::LooseCeil => "ceil",
            Self::ShortRate => "rate",
        }
    }
}
