//! The users of pools, as a sentence.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// How many are named in a sentence.
const NAMED: usize = 5;

/// Namespace and name.
pub(crate) type Name = (String, String);

/// The users of pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    vms: BTreeSet<Name>,
    /// Pods that do not run a VM.
    pods: BTreeSet<Name>,
}

impl Usage {
    pub fn is_empty(&self) -> bool {
        self.vms.is_empty() && self.pods.is_empty()
    }

    pub(crate) fn add(&mut self, user: User) {
        let (User::Vm(name) | User::Pod(name)) = &user;
        let name = name.clone();
        match user {
            User::Vm(_) => self.vms.insert(name),
            User::Pod(_) => self.pods.insert(name),
        };
    }
}

/// `2 VMs and 1 pod in 2 namespaces still use entropool: a/web, b/web, c/tool`
impl Display for Usage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all: Vec<&Name> = self.vms.iter().chain(&self.pods).collect();
        let namespaces: BTreeSet<&str> = all.iter().map(|(namespace, _)| namespace.as_str()).collect();
        let kinds = [(self.vms.len(), "VM"), (self.pods.len(), "pod")];
        let kinds: Vec<_> = kinds
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(count, noun))
            .collect();
        let verb = if all.len() == 1 { "uses" } else { "use" };
        let namespaces = counted(namespaces.len(), "namespace");
        write!(f, "{} in {namespaces} still {verb} entropool: ", kinds.join(" and "))?;
        let named: Vec<_> =
            all.iter().take(NAMED).map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        f.write_str(&named.join(", "))?;
        match all.len().checked_sub(NAMED) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Vm(Name),
    Pod(Name),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: &str, name: &str) -> Name {
        (namespace.to_owned(), name.to_owned())
    }

    #[test]
    fn usage_is_one_sentence() {
        let mut usage = Usage::default();
        usage.add(User::Vm(name("shop", "web")));
        assert_eq!(usage.to_string(), "1 VM in 1 namespace still uses entropool: shop/web");
        usage.add(User::Pod(name("tools", "reader")));
        // A VM, its instance and its launcher pod are one user.
        usage.add(User::Vm(name("shop", "web")));
        let expected = "1 VM and 1 pod in 2 namespaces still use entropool: shop/web, tools/reader";
        assert_eq!(usage.to_string(), expected);
        (1..=11).for_each(|i| usage.add(User::Vm(name("blog", &format!("vm{i:02}")))));
        let expected = "12 VMs and 1 pod in 3 namespaces still use entropool: blog/vm01, blog/vm02, blog/vm03, blog/vm04, \
                        blog/vm05 and 8 more";
        assert_eq!(usage.to_string(), expected);
    }
}
