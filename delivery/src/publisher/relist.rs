//! Whether the controller has looked again since an agent came with something newer.

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Relist {
    /// Not since the agent subscribed.
    #[default]
    Wanted,
    /// Asked for. Whoever lists tries until it is done; asking again would only begin it anew.
    Asked,
    /// Done: what is published is what there is.
    Done,
}

impl Relist {
    /// Asks, unless that was done; says whether it did.
    pub(super) fn ask(&mut self) -> bool {
        let wanted = matches!(self, Self::Wanted);
        if wanted {
            *self = Self::Asked;
        }
        wanted
    }

    pub(super) fn done(&mut self) {
        // One that nobody asked for may be older than what the agent has seen.
        if matches!(self, Self::Asked) {
            *self = Self::Done;
        }
    }

    pub(super) fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}
