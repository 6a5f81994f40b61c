//! The sentences of `explain`, and the table of the limits on a VM's path.

use proto::local::{Binding, Client, ExplainResponse, Limit, LimitHits, Mode, NodeKind, Serving, Step, Vm};

use super::amount::{configured_rate, duration, total};
use super::table::Table;

/// The pool and class of a VM, what it waits for, what it was served, which per-VM limits it reached, and every limit on
/// its path.
pub(crate) fn explain(explanation: &ExplainResponse) -> String {
    let vm = explanation.vm.clone().unwrap_or_default();
    let path = &explanation.path;
    let served = served(&vm) + &unsolicited(&vm);
    let limit_hits = vm.limit_hits.as_ref().and_then(limit_hits);
    let sentences = [Some(place(&vm)), Some(wait(&vm, path)), Some(served), limit_hits];
    sentences.into_iter().flatten().collect::<Vec<_>>().join("\n") + "\n\n" + &path_table(path)
}

/// What a VM waits for, in a few words.
pub(super) fn limit(binding: &Binding) -> String {
    let node = node(binding.kind(), &binding.name);
    match binding.limit() {
        Limit::Unspecified => "another limit".to_owned(),
        Limit::Rate => "its turn to borrow".to_owned(),
        Limit::Ceil => format!("the ceil of {node}"),
        Limit::Supply => format!("the sources of {node}{}", serving(binding)),
        Limit::Peer => "its guest to read".to_owned(),
    }
}

/// Why the sources deliver less, unless they are only slow.
fn serving(binding: &Binding) -> &'static str {
    match binding.serving() {
        Serving::Unspecified | Serving::Promised => "",
        Serving::Starting => " (starting)",
        Serving::Degraded => " (degraded)",
        Serving::Held => " (held)",
    }
}

fn place(vm: &Vm) -> String {
    let Vm { name, namespace, pool, class, socket, .. } = vm;
    let client = match vm.client() {
        Client::Unspecified => "a QEMU or another EGD client",
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
         {connections} open on {socket}, which is for {client}."
    )
}

fn wait(vm: &Vm, path: &[Step]) -> String {
    let Some(waiting) = vm.waiting else {
        return match &vm.binding {
            Some(binding) if binding.limit() == Limit::Peer => {
                format!("It is owed {} and does not read what it was sent before.", bytes(vm.owed))
            }
            _ => "It does not wait.".to_owned(),
        };
    };
    let waits = format!("It has waited for {} and is owed {}", duration(waiting), bytes(vm.owed));
    match &vm.binding {
        None => format!("{waits}; no limit holds it back, and it is served next."),
        Some(binding) => {
            format!("{waits}: {}, for {} now.", reason(binding, path), duration(binding.duration))
        }
    }
}

/// Why a VM waits, with the figure of the limit.
fn reason(binding: &Binding, path: &[Step]) -> String {
    let node = node(binding.kind(), &binding.name);
    let step = path.iter().find(|step| step.kind == binding.kind && step.name == binding.name);
    let shape = step.and_then(|step| step.shape).unwrap_or_default();
    match binding.limit() {
        Limit::Unspecified => format!("{node} is at a limit that this program does not know"),
        Limit::Rate if shape.rate == 0 => format!("{node} is assured nothing, and other VMs borrow first"),
        Limit::Rate => {
            format!(
                "{node} has used up its rate of {}, and other VMs borrow first",
                configured_rate(shape.rate)
            )
        }
        Limit::Ceil => format!("{node} is at its ceil of {}", configured_rate(shape.ceil)),
        Limit::Supply => match &binding.message {
            Some(message) => format!("{node} {message}"),
            None => format!("the sources of {node} deliver less than is requested"),
        },
        Limit::Peer => format!("{node} does not read what it was sent before"),
    }
}

fn served(vm: &Vm) -> String {
    let counters = vm.counters.unwrap_or_default();
    let requested = counters.bytes.saturating_add(vm.owed);
    let borrowed = match counters.borrowed {
        0 => "none of it borrowed".to_owned(),
        some if some == counters.bytes => "all of it borrowed".to_owned(),
        some => format!("{} of it borrowed", total(some)),
    };
    let grants = counters.grants;
    let noun = if grants == 1 { "grant" } else { "grants" };
    match counters.bytes {
        0 if requested == 0 => "It has requested nothing yet.".to_owned(),
        0 => format!("It has requested {} and was served nothing yet.", bytes(requested)),
        served => format!(
            "It has requested {} and was served {} in {grants} {noun}, {borrowed}.",
            bytes(requested),
            total(served)
        ),
    }
}

fn unsolicited(vm: &Vm) -> String {
    match vm.unsolicited {
        0 => String::new(),
        some => format!(" Of what it was charged, {} were sent unsolicited after it connected.", bytes(some)),
    }
}

/// `None` for a VM that reached no limit but those of its class.
fn limit_hits(hits: &LimitHits) -> Option<String> {
    let reached: Vec<_> = [
        ("connections accepted late (10 per second are accepted)", hits.delayed),
        (
            "connections closed for newer ones (4 may be open; fewer when file descriptors are short)",
            hits.replaced,
        ),
        ("requests answered with no bytes (2000 per second are served)", hits.unanswered),
        ("connections closed for ten times as many requests during ten seconds", hits.flooding),
        ("connections closed because a command took longer than 10 s", hits.stalled),
        ("connections closed for bytes that are not EGD", hits.garbage),
        ("reads deferred because more was sent than is read at once", hits.deferred),
        ("requests while 4Gi were owed already", hits.saturated),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(what, count)| format!("{what}: {}", total(count)))
    .collect();
    (!reached.is_empty()).then(|| format!("It exceeded its limits: {}.", reached.join("; ")))
}

/// Every limit from the VM's leaf to the pool, with what is left of it.
fn path_table(path: &[Step]) -> String {
    let mut table = Table::new(&["PATH", ">RATE", ">TOKENS", ">CEIL", ">CTOKENS", "NOW"]);
    for step in path {
        let shape = step.shape.unwrap_or_default();
        let level = step.level.unwrap_or_default();
        table.row([
            node(step.kind(), &step.name),
            configured_rate(shape.rate),
            left(level.tokens, shape.burst),
            configured_rate(shape.ceil),
            left(level.ctokens, shape.cburst),
            mode(level.mode()).to_owned(),
        ]);
    }
    table.or("The daemon did not send its path.")
}

/// `-255 of 1Ki`.
fn left(tokens: i64, bucket: u64) -> String {
    let sign = if tokens < 0 { "-" } else { "" };
    format!("{sign}{} of {}", total(tokens.unsigned_abs()), total(bucket))
}

fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{} bytes", total(count)) }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Unspecified => "-",
        Mode::CanSend => "can send",
        Mode::MayBorrow => "may borrow",
        Mode::CantSend => "can't send",
    }
}

fn node(kind: NodeKind, name: &str) -> String {
    match kind {
        NodeKind::Unspecified => name.to_owned(),
        NodeKind::Pool => format!("pool {name}"),
        NodeKind::Class => format!("class {name}"),
        NodeKind::Namespace => format!("namespace {name}"),
        NodeKind::Vm => format!("VM {name}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::samples;
    use super::*;

    #[test]
    fn waiting_vm_is_explained_by_the_limit_that_binds() {
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
        let sentences = bindings.map(|(limit, kind, name, message)| {
            let ExplainResponse { vm, path } = samples::explanation();
            let binding = samples::binding(limit, kind, name);
            wait(&Vm { binding: Some(Binding { message, ..binding }), ..vm.unwrap() }, &path)
        });
        insta::assert_snapshot!(sentences.join("\n"));
    }

    #[test]
    fn sources_that_are_not_only_slow_are_marked() {
        let supply = |serving: Serving| {
            let binding = samples::binding(Limit::Supply, NodeKind::Pool, "default");
            limit(&Binding { serving: Some(serving.into()), ..binding })
        };
        assert_eq!(supply(Serving::Promised), "the sources of pool default");
        assert_eq!(supply(Serving::Held), "the sources of pool default (held)");
    }

    #[test]
    fn vm_that_does_not_read_is_told_so() {
        let ExplainResponse { vm, path } = samples::explanation();
        let binding = Some(samples::binding(Limit::Peer, NodeKind::Vm, "web-1"));
        let vm = Vm { waiting: None, binding, ..vm.unwrap() };
        assert_eq!(wait(&vm, &path), "It is owed 640 bytes and does not read what it was sent before.");
    }

    #[test]
    fn idle_vm_does_not_wait() {
        let mut path = samples::explanation().path;
        path[0].name = "web-2".to_owned();
        insta::assert_snapshot!(explain(&ExplainResponse { vm: Some(samples::idle_vm()), path }));
    }

    #[test]
    fn vm_within_its_limits_has_no_sentence_about_them() {
        assert_eq!(limit_hits(&LimitHits::default()), None);
    }

    #[test]
    fn each_limit_hit_has_its_words() {
        let hits = LimitHits {
            delayed: 1,
            replaced: 2,
            unanswered: 3,
            flooding: 4,
            stalled: 5,
            garbage: 6,
            deferred: 7,
            saturated: 8,
        };
        insta::assert_snapshot!(limit_hits(&hits).unwrap());
    }
}
