//! What the long help of a command ends with: examples, and the exit codes.

use clap::Command;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong use";

/// The examples of a command, by its name.
fn examples(verb: &str) -> &'static [&'static str] {
    match verb {
        "entropool" => {
            &["entropool run -f /etc/entropool", "entropool attach web-1=default/gold", "entropool top"]
        }
        "run" => &[
            "entropool run -f pools.yaml --vm web-1=default/gold",
            "entropool run -f /etc/entropool --metrics 9090",
        ],
        "attach" => &["entropool attach web-1=default/gold", "entropool attach tool=default,client=egd"],
        "detach" => &["entropool detach web-1"],
        "move" => &["entropool move web-1 bronze"],
        "pools" => &["entropool pools", "entropool pools -o wide"],
        "classes" => &["entropool classes --pool default"],
        "vms" => &["entropool vms --class gold", "entropool vms -o json"],
        "waiting" => &["entropool waiting"],
        "top" => &["entropool top --vms", "entropool top --once"],
        "explain" => &["entropool explain web-1", "entropool explain EntropyPool.spec.sources"],
        "plan" => &["entropool plan -f /etc/entropool", "entropool plan -f new.yaml --from old.yaml"],
        "config" => &["entropool config", "entropool config --diff"],
        "check" => &["entropool check", "entropool check -f /etc/entropool"],
        "sources" => &["entropool sources", "entropool sources retest default/trng --wait"],
        "retest" => &["entropool sources retest trng", "entropool sources retest default/trng --wait"],
        "egd" | "read" => &["entropool egd read 16 --hex /run/entropool/vm/web-1/egd.sock"],
        "level" => &["entropool egd level /run/entropool/vm/web-1/egd.sock"],
        "pid" => &["entropool egd pid tcp:127.0.0.1:7000"],
        "write" => &["entropool egd write /run/entropool/vm/web-1/egd.sock <bytes"],
        "qemu-args" => &["qemu-system-x86_64 … $(entropool qemu-args web-1)"],
        "libvirt" | "set" => &["entropool libvirt set web default/gold"],
        "unset" => &["entropool libvirt unset web"],
        "translate" => &["entropool libvirt translate old.xml >new.xml"],
        "crds" => &["entropool crds | kubectl apply -f -"],
        "completion" => &["source <(entropool completion bash)", "entropool completion fish | source"],
        _ => &[],
    }
}

/// The command line with the examples of every command.
pub(super) fn with_examples(command: Command) -> Command {
    let examples: String = examples(command.get_name()).iter().map(|line| format!("  {line}\n")).collect();
    let examples = if examples.is_empty() { String::new() } else { format!("Examples:\n{examples}\n") };
    command.after_long_help(examples + EXIT_CODES).mut_subcommands(with_examples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::command;

    #[test]
    fn every_command_has_an_example_that_its_parser_takes() {
        fn check(command: &Command) {
            for below in command
                .get_subcommands()
                .filter(|below| !below.is_hide_set() && below.get_name() != "version")
            {
                assert!(!examples(below.get_name()).is_empty(), "{}", below.get_name());
                check(below);
            }
        }
        check(&command());
        let verbs = [
            "run", "attach", "detach", "move", "pools", "classes", "vms", "waiting", "top", "explain", "plan",
        ];
        let more =
            ["config", "check", "sources", "retest", "read", "level", "pid", "set", "unset", "translate"];
        for example in verbs.iter().chain(&more).flat_map(|verb| examples(verb)) {
            let words = example.split([' ', '>']).filter(|word| !word.is_empty());
            let words = words.take_while(|word| *word != "new.xml" || !example.contains('>'));
            assert!(command().try_get_matches_from(words).is_ok(), "{example}");
        }
    }
}
