//! Answers the admission requests of the API server from the newest plan.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{debug, info};
use webhook::{AdmissionDecision, ClassSlot, Cluster, Hook, InjectionMethod, PoolIndex, ReviewError, answer};

use crate::state::{PublishedPlan, SharedState};

/// How long a denial is delayed if it may be transient: a pool that is applied together with its VM is planned a moment
/// after the API server has stored it.
const DENIAL_DELAY: Duration = Duration::from_secs(1);

/// Why a request is not answered.
#[derive(Debug, Error)]
pub(crate) enum HandlerError {
    #[error("the controller has not listed all objects yet: try again")]
    NotYet,
    #[error(transparent)]
    Review(ReviewError),
}

pub(crate) struct AdmissionHandler {
    state: Arc<SharedState>,
    injection: watch::Receiver<Option<InjectionMethod>>,
    /// The index of the newest plan, made once for all requests.
    pool_index: Mutex<Option<(Arc<PublishedPlan>, Arc<PoolIndex>)>>,
}

impl AdmissionHandler {
    pub(crate) fn new(state: Arc<SharedState>, injection: watch::Receiver<Option<InjectionMethod>>) -> Self {
        Self { state, injection, pool_index: Mutex::default() }
    }

    /// The `AdmissionReview` that answers a request.
    pub(crate) async fn answer(&self, hook: Hook, body: &[u8]) -> Result<Value, HandlerError> {
        let (mut plans, mut injections) = (self.state.plan.subscribe(), self.injection.clone());
        let delay = tokio::time::sleep(DENIAL_DELAY);
        tokio::pin!(delay);
        loop {
            plans.borrow_and_update();
            let injection = injections.borrow_and_update().clone();
            let (answer, decision) = self.decide(hook, body, injection.as_ref())?;
            if !is_transient(&decision) {
                self.record(hook, &decision);
                return Ok(answer);
            }
            let changed = tokio::select! {
                changed = plans.changed() => changed.is_ok(),
                changed = injections.changed() => changed.is_ok(),
                () = &mut delay => false,
            };
            if !changed {
                self.record(hook, &decision);
                return Ok(answer);
            }
        }
    }

    fn decide(
        &self,
        hook: Hook,
        body: &[u8],
        injection: Option<&InjectionMethod>,
    ) -> Result<(Value, AdmissionDecision), HandlerError> {
        let planned = self.state.plan.borrow().clone().ok_or(HandlerError::NotYet)?;
        let injection = injection.ok_or(HandlerError::NotYet)?;
        let pool_index = self.pool_index(&planned);
        let full = |slot: &ClassSlot, node: Option<&str>| self.is_full(&planned, slot, node);
        answer(hook, body, &Cluster { pools: &pool_index, injection, full: &full })
            .map_err(HandlerError::Review)
    }

    fn pool_index(&self, planned: &Arc<PublishedPlan>) -> Arc<PoolIndex> {
        let mut kept = self.pool_index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pool_index)) = kept.as_ref().filter(|(of, _)| Arc::ptr_eq(of, planned)) {
            return Arc::clone(pool_index);
        }
        let pool_index = Arc::new(PoolIndex::of(planned.plan.nodes.values().map(|node| &**node)));
        *kept = Some((Arc::clone(planned), Arc::clone(&pool_index)));
        pool_index
    }

    /// Agents report to the leader. Other replicas use the status that it writes.
    fn is_full(&self, planned: &PublishedPlan, slot: &ClassSlot, node: Option<&str>) -> bool {
        let class = slot.class.as_deref().unwrap_or_default();
        plan::is_full(&planned.plan, &self.state.node_reports(), &slot.pool, class, node).unwrap_or_else(
            || {
                let store = self.state.store();
                let vms = store.class(class).and_then(|it| it.status.as_ref()).and_then(|status| status.vms);
                let capacity = plan::capacity(&planned.plan, &slot.pool, class);
                vms.map(u64::from).is_some_and(|vms| vms > 0 && vms >= capacity)
            },
        )
    }

    /// Records how long an answer took.
    pub(crate) fn took(&self, hook: Hook, duration: Duration) {
        self.state.reviews.took(hook, duration);
    }

    fn record(&self, hook: Hook, decision: &AdmissionDecision) {
        self.state.reviews.count(hook, decision);
        match decision {
            AdmissionDecision::Refused(denial) => {
                info!(hook = hook.as_str(), reason = denial.reason(), message = %denial, "VM refused");
            }
            AdmissionDecision::Allowed { .. } => debug!(hook = hook.as_str(), "VM allowed"),
        }
    }
}

fn is_transient(decision: &AdmissionDecision) -> bool {
    matches!(decision, AdmissionDecision::Refused(denial) if denial.is_transient())
}
