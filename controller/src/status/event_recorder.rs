//! The event recorder: writes Events, and counts repeated ones instead of writing them again.

use std::sync::{Mutex, PoisonError};

use ::clock::{RateLimit, RateLimiter};
use api::names::{VM_LABEL, VM_TRUE};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::ListParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource};
use tracing::{debug, info};

use super::condition_events::ConditionEvent;
use crate::api_error::api_error;
use crate::clock;

const REPORTER: &str = "entropool-controller";
/// The action of every Event, which the API requires.
const ACTION: &str = "Reconcile";
/// Events beyond this limit are only logged: conditions show the same.
const EVENTS: RateLimit = RateLimit::per_second(5, 50);

pub(crate) struct EventRecorder {
    client: Client,
    recorder: Recorder,
    limiter: Mutex<RateLimiter>,
}

impl EventRecorder {
    pub(crate) fn new(client: Client, replica: String) -> Self {
        let reporter = Reporter { controller: REPORTER.to_owned(), instance: Some(replica) };
        Self { recorder: Recorder::new(client.clone(), reporter), client, limiter: Mutex::default() }
    }

    /// Records an Event about the launcher pod of a VM on that node, with `related` as its related object. The pod's name
    /// is looked up, since there may be a hundred thousand pods and such Events are rare.
    pub(crate) async fn record_for_vm(
        &self,
        node: &str,
        uid: &str,
        related: &ObjectReference,
        event: ConditionEvent,
    ) {
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
                    self.record(&pod.object_ref(&()), Some(related), vec![event]).await;
                }
            }
            Err(error) => {
                debug!(
                    node,
                    vm = uid,
                    error = api_error(&error),
                    "failed to find the launcher pod for an Event"
                );
            }
        }
    }

    /// Records Events about an object, with `related` as their related object.
    pub(crate) async fn record(
        &self,
        object: &ObjectReference,
        related: Option<&ObjectReference>,
        events: Vec<ConditionEvent>,
    ) {
        for ConditionEvent { warning, reason, note } in events {
            let (kind, name) = (object.kind.as_deref(), object.name.as_deref());
            info!(kind, name, reason, message = note, "event");
            if !self.admits() {
                continue;
            }
            let event = Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                reason,
                note: Some(note),
                action: ACTION.to_owned(),
                secondary: related.cloned(),
            };
            if let Err(error) = self.recorder.publish(&event, object).await {
                debug!(kind, name, error = api_error(&error), "failed to write Event");
            }
        }
    }

    fn admits(&self) -> bool {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner).admit(EVENTS, clock::tick())
    }
}
