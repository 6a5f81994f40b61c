//! Status and Events of pools, classes and nodes: what changed, when it is written, and the task that writes it.

mod alarm_events;
mod condition_events;
mod diff;
mod event_recorder;
mod node_events;
mod persistence_filter;
mod refusal_debounce;
mod write_limiter;
mod writer;

pub(crate) use condition_events::ConditionEvent;
pub(crate) use event_recorder::EventRecorder;
pub(crate) use node_events::reference;
pub(crate) use writer::{FIELD_MANAGER, run};
