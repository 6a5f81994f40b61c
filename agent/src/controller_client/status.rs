//! The state of the subscription, for reports.

use std::sync::{Arc, PoisonError, RwLock};

use delivery::subscriber::Phase;
use delivery::{Nack, Version};
use htb::Tick;

/// The state of the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionState {
    pub(super) phase: Phase,
    /// When the phase began.
    pub(super) since: Tick,
    /// Of the applied configuration.
    pub(super) version: Version,
    /// When the controller last sent or confirmed the configuration.
    pub(super) confirmed: Option<Tick>,
    /// Why the last configuration was not applied, if it was not.
    pub(super) nacked: Option<Nack>,
    /// Why there is no stream, if there is none.
    pub(super) disconnected: Option<Nack>,
    /// How often an older configuration was applied because no newer one was offered.
    pub(super) rolled_back: u64,
}

/// A shared [`SubscriptionState`].
#[derive(Clone, Debug)]
pub(super) struct SubscriptionStatus(Arc<RwLock<SubscriptionState>>);

impl SubscriptionStatus {
    pub(super) fn new(version: Version, now: Tick) -> Self {
        Self(Arc::new(RwLock::new(SubscriptionState {
            phase: Phase::Disconnected,
            since: now,
            version,
            confirmed: None,
            nacked: None,
            disconnected: None,
            rolled_back: 0,
        })))
    }

    pub(super) fn get(&self) -> SubscriptionState {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut SubscriptionState)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
