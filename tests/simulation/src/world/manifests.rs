//! Manifests, each read once: reading one is a function of its text, and most lives have the same.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use api::manifest::{self, Manifest};

/// What the text says.
pub(super) fn manifests(text: &str) -> Manifest {
    static READ: LazyLock<Mutex<HashMap<String, Manifest>>> = LazyLock::new(Mutex::default);
    if let Some(known) = READ.lock().unwrap().get(text) {
        return known.clone();
    }
    let manifest = manifest::parse("pools.yaml", text);
    READ.lock().unwrap().insert(text.to_owned(), manifest.clone());
    manifest
}
