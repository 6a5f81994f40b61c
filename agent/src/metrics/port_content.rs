//! What one of the agent's ports serves.

/// What a port serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortContent {
    HealthAndMetrics,
    /// For a kubelet: no scrape delays it, and nobody who may not read metrics has to be kept from it.
    Health,
}

impl PortContent {
    pub(super) fn thread(self) -> &'static str {
        match self {
            Self::HealthAndMetrics => "metrics",
            Self::Health => "health",
        }
    }
}
