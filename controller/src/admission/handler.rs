//! Answers one question of the API server, from what this replica knows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{debug, info};
use webhook::{ClassSlot, Cluster, Decision, Hook, InjectionMethod, PoolIndex, ReviewError, answer};

use crate::state::{PublishedPlan, SharedState};

/// How long a refusal waits for what may make it wrong: a pool that was applied together with its VM is planned a
/// moment after the API server has stored it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a question is not answered.
#[derive(Debug, Error)]
pub(crate) enum HandlerError {
    /// Not everything was listed yet.
    #[error("this controller does not know the cluster yet: try again")]
    NotYet,
    /// It is none.
    #[error(transparent)]
    Review(ReviewError),
}

/// Who answers.
pub(crate) struct AdmissionHandler {
    world: Arc<SharedState>,
    way: watch::Receiver<Option<InjectionMethod>>,
    /// Of the newest plan that was asked about: made once for all questions.
    catalogue: Mutex<Option<(Arc<PublishedPlan>, Arc<PoolIndex>)>>,
}

impl AdmissionHandler {
    pub(crate) fn new(world: Arc<SharedState>, way: watch::Receiver<Option<InjectionMethod>>) -> Self {
        Self { world, way, catalogue: Mutex::default() }
    }

    /// The answer to a question, as the API server reads it.
    pub(crate) async fn answer(&self, hook: Hook, body: &[u8]) -> Result<Value, HandlerError> {
        let (mut plans, mut ways) = (self.world.plan.subscribe(), self.way.clone());
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            plans.borrow_and_update();
            let way = ways.borrow_and_update().clone();
            let (answer, verdict) = self.judge(hook, body, way.as_ref())?;
            if !may_pass(&verdict) {
                self.note(hook, &verdict);
                return Ok(answer);
            }
            let changed = tokio::select! {
                changed = plans.changed() => changed.is_ok(),
                changed = ways.changed() => changed.is_ok(),
                () = &mut patience => false,
            };
            if !changed {
                self.note(hook, &verdict);
                return Ok(answer);
            }
        }
    }

    fn judge(
        &self,
        hook: Hook,
        body: &[u8],
        way: Option<&InjectionMethod>,
    ) -> Result<(Value, Decision), HandlerError> {
        let planned = self.world.plan.borrow().clone().ok_or(HandlerError::NotYet)?;
        let way = way.ok_or(HandlerError::NotYet)?;
        let catalogue = self.catalogue(&planned);
        let full = |place: &ClassSlot, node: Option<&str>| self.full(&planned, place, node);
        answer(hook, body, &Cluster { pools: &catalogue, injection: way, full: &full })
            .map_err(HandlerError::Review)
    }

    fn catalogue(&self, planned: &Arc<PublishedPlan>) -> Arc<PoolIndex> {
        let mut kept = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, catalogue)) = kept.as_ref().filter(|(of, _)| Arc::ptr_eq(of, planned)) {
            return Arc::clone(catalogue);
        }
        let catalogue = Arc::new(PoolIndex::of(planned.plan.nodes.values().map(|node| &**node)));
        *kept = Some((Arc::clone(planned), Arc::clone(&catalogue)));
        catalogue
    }

    /// Agents report to the replica that leads; elsewhere the status that it writes has to do.
    fn full(&self, planned: &PublishedPlan, place: &ClassSlot, node: Option<&str>) -> bool {
        let class = place.class.as_deref().unwrap_or_default();
        plan::is_full(&planned.plan, &self.world.fleet(), &place.pool, class, node).unwrap_or_else(|| {
            let index = self.world.index();
            let vms = index.class(class).and_then(|it| it.status.as_ref()).and_then(|status| status.vms);
            let room = plan::capacity(&planned.plan, &place.pool, class);
            vms.map(u64::from).is_some_and(|vms| vms > 0 && vms >= room)
        })
    }

    fn note(&self, hook: Hook, verdict: &Decision) {
        self.world.reviews.count(hook, verdict);
        match verdict {
            Decision::Refused(refusal) => {
                info!(hook = hook.as_str(), reason = refusal.reason(), message = %refusal, "a VM is refused");
            }
            Decision::Allowed { .. } => debug!(hook = hook.as_str(), "a question is answered"),
        }
    }
}

fn may_pass(verdict: &Decision) -> bool {
    matches!(verdict, Decision::Refused(refusal) if refusal.may_pass())
}
