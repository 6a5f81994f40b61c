//! Of which class each pod asked the scheduler for a place.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The classes by the VMs' ids. Who is not in here asked for no place: a plain pod, a VM of the host itself.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<String, String>>);

impl Places {
    /// A pod came with a place of that class, or with none.
    pub(crate) fn came(&self, vm: &str, class: Option<&str>) {
        match class {
            Some(class) => drop(self.lock().insert(vm.to_owned(), class.to_owned())),
            None => self.went(vm),
        }
    }

    /// A pod is gone, and so is its place.
    pub(crate) fn went(&self, vm: &str) {
        self.lock().remove(vm);
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
