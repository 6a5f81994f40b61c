//! Events; one that happens again is counted, not written anew.

use std::sync::{Mutex, PoisonError};

use ::clock::{RateLimit, RateLimiter};
use api::names::{VM_LABEL, VM_TRUE};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::ListParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource};
use tracing::{debug, info};

use super::condition_events::ConditionEvent;
use crate::clock;

/// Who reports.
const REPORTER: &str = "entropool-controller";
/// What was done: an Event has to name it.
const ACTION: &str = "Reconcile";
/// Five Events a second, 50 at once. Conditions say the same, so what is beyond this is only logged.
const EVENTS: RateLimit = RateLimit::per_second(5, 50);

/// Tells people.
pub(crate) struct EventRecorder {
    client: Client,
    recorder: Recorder,
    limiter: Mutex<RateLimiter>,
}

impl EventRecorder {
    /// That speaks for one replica.
    pub(crate) fn new(client: Client, replica: String) -> Self {
        let reporter = Reporter { controller: REPORTER.to_owned(), instance: Some(replica) };
        Self { recorder: Recorder::new(client.clone(), reporter), client, limiter: Mutex::default() }
    }

    /// Makes it an Event of the pod that a VM of that node runs in; `with` is another object that it has to do with. Pods'
    /// names are not kept: there may be a hundred thousand, and this is seldom.
    pub(crate) async fn tell_vm(&self, node: &str, uid: &str, with: &ObjectReference, news: ConditionEvent) {
        if !self.admits() {
            return;
        }
        let launchers = ListParams::default().labels(&format!("{VM_LABEL}={VM_TRUE}"));
        let here = launchers.fields(&format!("spec.nodeName={node}"));
        match Api::<Pod>::all(self.client.clone()).list_metadata(&here).await {
            Ok(pods) => {
                let pod = pods.items.into_iter().find(|pod| pod.metadata.uid.as_deref() == Some(uid));
                if let Some(pod) = pod {
                    let pod = Pod { metadata: pod.metadata, ..Pod::default() };
                    self.tell(&pod.object_ref(&()), Some(with), vec![news]).await;
                }
            }
            Err(error) => debug!(node, vm = uid, %error, "the VM's pod cannot be found, and is told nothing"),
        }
    }

    /// Makes each an Event of the object; `with` is another that it has to do with.
    pub(crate) async fn tell(
        &self,
        object: &ObjectReference,
        with: Option<&ObjectReference>,
        news: Vec<ConditionEvent>,
    ) {
        for ConditionEvent { warning, reason, note } in news {
            let (kind, name) = (object.kind.as_deref(), object.name.as_deref());
            info!(kind, name, reason, message = note, "told");
            if !self.admits() {
                continue;
            }
            let event = Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                reason,
                note: Some(note),
                action: ACTION.to_owned(),
                secondary: with.cloned(),
            };
            if let Err(error) = self.recorder.publish(&event, object).await {
                debug!(kind, name, %error, "no Event was written");
            }
        }
    }

    fn admits(&self) -> bool {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner).admit(EVENTS, clock::tick())
    }
}
