//! Status: what is written, how soon, and by whom.

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
