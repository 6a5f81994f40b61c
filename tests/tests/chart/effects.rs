//! Each value has an effect, which the sets of values show.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use super::{leaves, sets, text};

fn render(values: &Path) -> Result<String, String> {
    text(&["--values", values.to_str().unwrap()]).map_err(|error| error.to_string())
}

/// The values without the one at `pointer`, if they have it.
fn without(values: &Value, pointer: &str) -> Option<Value> {
    let mut values = values.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    values.pointer_mut(parent)?.as_object_mut()?.remove(key)?;
    Some(values)
}

#[test]
fn some_set_has_each_value_and_is_rendered_otherwise_without_it() {
    // What Helm does with these, and not what it renders.
    let hooks = ["/uninstall/cleanNodes", "/uninstall/timeoutSeconds"];
    let sets: Vec<(Value, String)> = sets()
        .iter()
        .map(|set| (serde_yaml::from_str(&fs::read_to_string(set).unwrap()).unwrap(), render(set).unwrap()))
        .collect();
    let pointers: Vec<_> = leaves().into_iter().map(|(pointer, _)| pointer).collect();
    let rest = Mutex::new(pointers.iter().filter(|pointer| !hooks.contains(&pointer.as_str())));
    let idle = Mutex::new(Vec::new());
    let work = || {
        let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
        loop {
            let Some(pointer) = rest.lock().unwrap().next() else { break };
            let used = sets
                .iter()
                .filter_map(|(values, whole)| Some((without(values, pointer)?, whole)))
                .any(|(values, whole)| {
                    fs::write(file.path(), values.to_string()).unwrap();
                    render(file.path()).as_ref() != Ok(whole)
                });
            if !used {
                idle.lock().unwrap().push(pointer.clone());
            }
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    let idle = idle.into_inner().unwrap();
    assert!(idle.is_empty(), "no set in charts/entropool/ci shows what these are for: {idle:?}");
}
