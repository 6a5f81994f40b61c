//! Events of pods about what a person did to them.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::api_error::ApiError;
use super::args::NAME;
use super::pods::FoundPod;

/// Writes an Event of the pod. Without the right to do so there is none, and a line says so: what it is about has happened.
pub(super) async fn record(client: &Client, pod: &FoundPod, reason: &str, action: &str, note: String) {
    let reporter = Reporter { controller: NAME.to_owned(), instance: None };
    let event = Event {
        type_: EventType::Normal,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    };
    let published = Recorder::new(client.clone(), reporter).publish(&event, &reference(pod)).await;
    if let Err(error) = published {
        let call = format!("write an Event of pod {} in namespace {}", pod.pod, pod.namespace);
        eprintln!("kubectl entropool: {}", ApiError::new(call, error));
    }
}

fn reference(pod: &FoundPod) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.pod.clone()),
        namespace: Some(pod.namespace.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}
