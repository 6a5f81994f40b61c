//! Events on pools and classes; one that happens again is counted, not written anew.

use std::sync::{Mutex, PoisonError};

use delivery::limits::Pace;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::{debug, info};

use super::news::News;
use crate::clock;

/// Who reports.
const REPORTER: &str = "entropool-controller";
/// What was done: an Event has to name it.
const ACTION: &str = "Reconcile";
/// Events a second, and at once. Conditions say the same, so what is beyond this is only logged.
const EACH_SECOND: u64 = 5;
const AT_ONCE: u64 = 50;

/// Tells people.
pub(super) struct Herald {
    recorder: Recorder,
    pace: Mutex<Pace>,
}

impl Herald {
    /// That speaks for one replica.
    pub(super) fn new(client: Client, replica: String) -> Self {
        let reporter = Reporter { controller: REPORTER.to_owned(), instance: Some(replica) };
        let pace = Mutex::new(Pace::new(clock::tick(), EACH_SECOND, AT_ONCE));
        Self { recorder: Recorder::new(client, reporter), pace }
    }

    /// Makes each an Event of the object.
    pub(super) async fn tell(&self, object: &ObjectReference, news: Vec<News>) {
        for News { warning, reason, note } in news {
            let (kind, name) = (object.kind.as_deref(), object.name.as_deref());
            info!(kind, name, reason = %reason, message = note, "told");
            if !self.pace.lock().unwrap_or_else(PoisonError::into_inner).admit(clock::tick()) {
                continue;
            }
            let event = Event {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                reason: reason.to_string(),
                note: Some(note),
                action: ACTION.to_owned(),
                secondary: None,
            };
            if let Err(error) = self.recorder.publish(&event, object).await {
                debug!(kind, name, %error, "no Event was written");
            }
        }
    }
}
