//! Bugs that are planted in a cluster, so that it is known what would be found.

/// A bug of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterMutation {
    /// A pod with our label counts as one that has a slot of the class that it names.
    LabelIsSlot,
    /// The API server does not ask about plain pods.
    UnaskedPlainPods,
    /// A plain pod moves to the class that an annotation names, about which nobody is asked.
    AnnotationMoves,
    /// The leader writes each node once.
    SlotsWrittenOnce,
    /// A controller misses an event of a watch.
    MissedEvent,
    /// An agent may speak for the node that it says it is on.
    ForeignNode,
    /// What an agent says of its conditions is kept as it is.
    UnboundedConditions,
    /// An agent that reconnects does not remember which version it runs.
    ForgottenVersion,
    /// A status is written whatever has happened to the object since it was read.
    BlindStatusWrite,
    /// Every edit is accepted.
    BadEditAccepted,
    /// A part of an update is lost on its way.
    TornUpdate,
    /// An agent that is restarted has no configuration until a controller sends one.
    ForgottenConfig,
}

impl ClusterMutation {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::LabelIsSlot,
        Self::UnaskedPlainPods,
        Self::AnnotationMoves,
        Self::SlotsWrittenOnce,
        Self::MissedEvent,
        Self::ForeignNode,
        Self::UnboundedConditions,
        Self::ForgottenVersion,
        Self::BlindStatusWrite,
        Self::BadEditAccepted,
        Self::TornUpdate,
        Self::ForgottenConfig,
    ];

    /// The promise that it breaks.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::LabelIsSlot | Self::SlotsWrittenOnce => "places",
            Self::UnaskedPlainPods | Self::AnnotationMoves => "quota",
            Self::MissedEvent => "convergence",
            Self::ForeignNode => "isolation",
            Self::UnboundedConditions => "cost",
            Self::ForgottenVersion | Self::BlindStatusWrite => "P6",
            Self::BadEditAccepted | Self::TornUpdate => "P5",
            Self::ForgottenConfig => "P2",
        }
    }
}
