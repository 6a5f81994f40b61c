//! The sentences of `explain`.

use super::amount::{rate, span, total};
use super::limit_hits::limit_hits;
use super::table::Table;
use crate::view::{Binding, Client, Explanation, Limit, Mode, NodeKind, Serving, Step, Vm};

/// Where a VM draws, what it waits for, what it got, and every limit on its way.
pub(crate) fn explain(explanation: &Explanation) -> String {
    let Explanation { vm, path } = explanation;
    let got = got(vm) + &unsolicited(vm);
    let sentences = [Some(place(vm)), Some(wait(vm, path)), Some(got), limit_hits(vm.limit_hits)];
    sentences.into_iter().flatten().collect::<Vec<_>>().join("\n") + "\n\n" + &way(path)
}

/// What holds a VM back, in a few words.
pub(super) fn limit(binding: &Binding) -> String {
    let whose = node(binding.kind, &binding.name);
    match binding.limit {
        Limit::Rate => "its turn to borrow".to_owned(),
        Limit::Ceil => format!("the ceil of {whose}"),
        Limit::Supply => format!("the sources of {whose}{}", serving(binding)),
        Limit::Peer => "its own reading".to_owned(),
    }
}

/// What they do where they are not only slow.
fn serving(binding: &Binding) -> &'static str {
    match binding.serving {
        None | Some(Serving::Promised) => "",
        Some(Serving::Starting) => " (starting)",
        Some(Serving::Degraded) => " (degraded)",
        Some(Serving::Held) => " (held)",
    }
}

fn place(vm: &Vm) -> String {
    let Vm { name, namespace, pool, class, socket, .. } = vm;
    let whose = match vm.client {
        Client::Qemu => "a QEMU",
        Client::Egd => "an EGD client",
    };
    let connections = match vm.connections {
        0 => "no connection is".to_owned(),
        1 => "one connection is".to_owned(),
        many => format!("{many} connections are"),
    };
    format!(
        "VM {name} of namespace {namespace} draws from pool {pool} in class {class}; \
         {connections} open on {socket}, which is for {whose}."
    )
}

fn wait(vm: &Vm, path: &[Step]) -> String {
    let Some(time) = vm.waiting else {
        return match &vm.binding {
            Some(Binding { limit: Limit::Peer, .. }) => {
                format!("It is owed {} and does not read what it was sent before.", bytes(vm.owed))
            }
            _ => "It does not wait.".to_owned(),
        };
    };
    let waits = format!("It has waited for {} and is owed {}", span(time), bytes(vm.owed));
    match &vm.binding {
        None => format!("{waits}; no limit holds it back, its turn comes next."),
        Some(binding) => format!("{waits}: {}, for {} now.", reason(binding, path), span(binding.time)),
    }
}

/// Why a VM waits, with the figure of the limit.
fn reason(binding: &Binding, path: &[Step]) -> String {
    let whose = node(binding.kind, &binding.name);
    let step = path.iter().find(|step| step.kind == binding.kind && step.name == binding.name);
    let shape = step.map(|step| step.shape).unwrap_or_default();
    let others = "and what can be borrowed goes to others first";
    match binding.limit {
        Limit::Rate if shape.rate.0 == 0 => format!("{whose} is assured nothing, {others}"),
        Limit::Rate => format!("{whose} has used up its rate of {}, {others}", rate(shape.rate)),
        Limit::Ceil => format!("{whose} is at its ceil of {}", rate(shape.ceil)),
        Limit::Supply => match &binding.message {
            Some(message) => format!("{whose} {message}"),
            None => format!("the sources of {whose} give less than is asked"),
        },
        Limit::Peer => format!("{whose} does not read what it was sent before"),
    }
}

fn got(vm: &Vm) -> String {
    let asked = vm.counters.bytes.saturating_add(vm.owed);
    let borrowed = match vm.counters.borrowed {
        0 => "none of it borrowed".to_owned(),
        some if some == vm.counters.bytes => "all of it borrowed".to_owned(),
        some => format!("{} of it borrowed", total(some)),
    };
    let grants = vm.counters.grants;
    let noun = if grants == 1 { "grant" } else { "grants" };
    match vm.counters.bytes {
        0 if asked == 0 => "It asked for nothing yet.".to_owned(),
        0 => format!("It asked for {} and got nothing yet.", bytes(asked)),
        got => {
            format!("It asked for {} and got {} in {grants} {noun}, {borrowed}.", bytes(asked), total(got))
        }
    }
}

fn unsolicited(vm: &Vm) -> String {
    match vm.unsolicited {
        0 => String::new(),
        some => format!(" Of what it was charged, {} were sent unsolicited after it connected.", bytes(some)),
    }
}

/// Every limit from the VM's leaf to the pool, with what is left of it.
fn way(path: &[Step]) -> String {
    let mut table = Table::new(&["ON ITS WAY", ">RATE", ">TOKENS", ">CEIL", ">CTOKENS", "NOW"]);
    for step in path {
        table.row([
            node(step.kind, &step.name),
            rate(step.shape.rate),
            left(step.level.tokens, step.shape.burst),
            rate(step.shape.ceil),
            left(step.level.ctokens, step.shape.cburst),
            mode(step.level.mode).to_owned(),
        ]);
    }
    table.or("Nothing is known of its way.")
}

/// `-255 of 1Ki`.
fn left(tokens: i64, most: u64) -> String {
    let sign = if tokens < 0 { "-" } else { "" };
    format!("{sign}{} of {}", total(tokens.unsigned_abs()), total(most))
}

fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{} bytes", total(count)) }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::CanSend => "can send",
        Mode::MayBorrow => "may borrow",
        Mode::CantSend => "can't send",
    }
}

fn node(kind: NodeKind, name: &str) -> String {
    match kind {
        NodeKind::Pool => format!("pool {name}"),
        NodeKind::Class => format!("class {name}"),
        NodeKind::Namespace => format!("namespace {name}"),
        NodeKind::Vm => format!("VM {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::view::Span;

    #[test]
    fn a_waiting_vm_is_told_what_binds() {
        insta::assert_snapshot!(explain(&samples::explanation()));
    }

    #[test]
    fn each_limit_has_its_sentence() {
        let bindings = [
            (Limit::Rate, NodeKind::Vm, "web-1", None),
            (Limit::Ceil, NodeKind::Namespace, "default", None),
            (Limit::Supply, NodeKind::Pool, "default", None),
            (Limit::Supply, NodeKind::Pool, "default", Some(samples::HELD.to_owned())),
        ];
        let said = bindings.map(|(limit, kind, name, message)| {
            let Explanation { mut vm, path } = samples::explanation();
            let (name, time) = (name.to_owned(), Span(2_100_000_000));
            vm.binding = Some(Binding { limit, kind, name, time, serving: None, message });
            wait(&vm, &path)
        });
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn sources_that_are_not_only_slow_say_so_in_a_word() {
        let Explanation { vm, .. } = samples::explanation();
        let supply = |serving| {
            let (limit, kind, name) = (Limit::Supply, NodeKind::Pool, "default".to_owned());
            super::limit(&Binding { limit, kind, name, serving, ..vm.binding.clone().expect("it waits") })
        };
        assert_eq!(supply(Some(Serving::Promised)), "the sources of pool default");
        assert_eq!(supply(Some(Serving::Held)), "the sources of pool default (held)");
    }

    #[test]
    fn a_vm_that_does_not_read_waits_for_nobody_else() {
        let Explanation { mut vm, path } = samples::explanation();
        vm.waiting = None;
        vm.binding = vm.binding.map(|binding| Binding { limit: Limit::Peer, ..binding });
        assert_eq!(wait(&vm, &path), "It is owed 640 bytes and does not read what it was sent before.");
    }

    #[test]
    fn an_idle_vm_does_not_wait() {
        let mut path = samples::explanation().path;
        path[0].name = "web-2".to_owned();
        let explanation = Explanation { vm: samples::idle_vm(), path };
        insta::assert_snapshot!(explain(&explanation));
    }
}
