//! What others may know of the subscription.

use std::sync::{Arc, PoisonError, RwLock};

use delivery::subscriber::Phase;
use delivery::{Nack, Version};
use htb::Tick;

/// How the agent stands with its controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Whether there is a stream, and what is on offer there.
    pub phase: Phase,
    /// Since when.
    pub since: Tick,
    /// What the configuration in force was made from.
    pub version: Version,
    /// When it came in force, or was last confirmed.
    pub confirmed: Option<Tick>,
    /// Why the last one offered is not in force; none if it is.
    pub nacked: Option<Nack>,
    /// Why there is no stream.
    pub unconnected: Option<Nack>,
    /// How often an older configuration was taken because there was no other.
    pub rolled_back: u64,
}

/// The same, shared.
#[derive(Clone, Debug)]
pub struct SubscriptionStatus(Arc<RwLock<SubscriptionState>>);

impl SubscriptionStatus {
    pub(super) fn new(version: Version, now: Tick) -> Self {
        Self(Arc::new(RwLock::new(SubscriptionState {
            phase: Phase::Disconnected,
            since: now,
            version,
            confirmed: None,
            nacked: None,
            unconnected: None,
            rolled_back: 0,
        })))
    }

    /// How it is now.
    pub fn get(&self) -> SubscriptionState {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut SubscriptionState)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
