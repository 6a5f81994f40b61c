//! What the stand-in stores: objects by kind and name, one count of versions, and news for those who watch.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Watches that are slower than so many events are ended.
const NEWS: usize = 65_536;

/// An event, as a line of a watch.
#[derive(Clone, Debug)]
pub(crate) struct StoreEvent {
    pub(crate) kind: &'static str,
    pub(crate) line: String,
}

/// All objects.
pub(crate) struct Store {
    state: Mutex<State>,
    news: broadcast::Sender<StoreEvent>,
}

#[derive(Default)]
struct State {
    version: u64,
    kinds: BTreeMap<&'static str, BTreeMap<String, Value>>,
}

impl Default for Store {
    fn default() -> Self {
        let state = State { version: 1_000, ..State::default() };
        Self { state: Mutex::new(state), news: broadcast::Sender::new(NEWS) }
    }
}

impl Store {
    /// Stores an object, and tells those who watch. Returns it with its version.
    pub(crate) fn put(&self, kind: &'static str, name: &str, mut object: Value) -> Value {
        let mut state = self.state();
        state.version += 1;
        object["metadata"]["name"] = json!(name);
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        let known = state.kinds.entry(kind).or_default().insert(name.to_owned(), object.clone()).is_some();
        let event = if known { "MODIFIED" } else { "ADDED" };
        // Nobody watches yet, or nobody any more.
        let _ = self.news.send(StoreEvent { kind, line: line(event, &object) });
        object
    }

    /// Changes an object's spec as a user does, and returns when those who watch were told, and the version.
    pub(crate) fn edit(
        &self,
        kind: &'static str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> (Instant, u64) {
        let mut object = self.get(kind, name).unwrap_or_default();
        change(&mut object["spec"]);
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        object["metadata"]["generation"] = json!(generation + 1);
        let told = Instant::now();
        let written = self.put(kind, name, object);
        let version = written["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        (told, version.unwrap_or_default())
    }

    /// An object.
    pub(crate) fn get(&self, kind: &'static str, name: &str) -> Option<Value> {
        self.state().kinds.get(kind)?.get(name).cloned()
    }

    /// The newest version, the lines of all objects of a kind as of it, and what comes after.
    pub(crate) fn watch(&self, kind: &'static str) -> (u64, Vec<String>, broadcast::Receiver<StoreEvent>) {
        let state = self.state();
        let objects = state.kinds.get(kind).into_iter().flat_map(BTreeMap::values);
        (state.version, objects.map(|object| line("ADDED", object)).collect(), self.news.subscribe())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(event: &str, object: &Value) -> String {
    format!("{{\"type\":\"{event}\",\"object\":{object}}}\n")
}
