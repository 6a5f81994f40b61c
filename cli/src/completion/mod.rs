//! Completion on the shell's command line: the shell's script asks this program, which asks the daemon and libvirt.

mod candidates;

use std::io;

use anyhow::{Context, Result};
use clap::{Arg, Command};
use clap_complete::env::Shells;
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompleteEnv};

use crate::args::{self, CompletionArgs};
use crate::output;

use candidates::{classes, domains, explained, pool_class, pools, sources, vm_spec, vms};

/// The environment variable by which a script says which shell asks.
const VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "entropool";

/// Answers a shell that asks for completions, and exits; returns if none asks.
pub(crate) fn answer() {
    CompleteEnv::with_factory(|| with_candidates(args::command())).var(VARIABLE).bin(PROGRAM).complete();
}

/// Prints the script that has a shell ask.
pub(crate) fn script(args: &CompletionArgs) -> Result<()> {
    let shell = args.shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell).with_context(|| format!("{shell} is not supported"))?;
    let mut script = Vec::new();
    let written: io::Result<()> =
        completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script);
    written.context("cannot make the completion script")?;
    output::print(&String::from_utf8(script).context("the completion script is not UTF-8")?)
}

/// The command line with what may be written for each argument that names something.
fn with_candidates(command: Command) -> Command {
    let verb = command.get_name().to_owned();
    command.mut_args(|arg| add(&verb, arg)).mut_subcommands(with_candidates)
}

fn add(verb: &str, arg: Arg) -> Arg {
    match (verb, arg.get_id().as_str()) {
        ("attach", "vm") | ("run", "vms" | "ports") => arg.add(ArgValueCompleter::new(vm_spec)),
        ("explain", "target") => arg.add(ArgValueCandidates::new(explained)),
        ("qemu-args", "target") | (_, "vm") => arg.add(ArgValueCandidates::new(vms)),
        ("retest", "name") => arg.add(ArgValueCandidates::new(sources)),
        (_, "pool") => arg.add(ArgValueCandidates::new(pools)),
        (_, "class") => arg.add(ArgValueCandidates::new(classes)),
        (_, "pool_class") => arg.add(ArgValueCandidates::new(pool_class)),
        (_, "domain") => arg.add(ArgValueCandidates::new(domains)),
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn arguments_that_name_something_are_completed() {
        let command = with_candidates(args::command());
        let completed = |verbs: &[&str], id: &str| {
            let below = |command: &Command, verb: &&str| command.find_subcommand(verb).unwrap().clone();
            let command = verbs.iter().fold(command.clone(), |command, verb| below(&command, verb));
            let arg = command.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            arg.get::<ArgValueCandidates>().is_some() || arg.get::<ArgValueCompleter>().is_some()
        };
        for (verbs, id) in [
            (&["attach"][..], "vm"),
            (&["run"], "vms"),
            (&["run"], "ports"),
            (&["explain"], "target"),
            (&["qemu-args"], "target"),
            (&["detach"], "vm"),
            (&["move"], "class"),
            (&["vms"], "pool"),
            (&["sources", "retest"], "name"),
            (&["libvirt", "set"], "domain"),
            (&["libvirt", "set"], "pool_class"),
        ] {
            assert!(completed(verbs, id), "{verbs:?} {id}");
        }
        assert!(!completed(&["attach"], "namespace"));
    }
}
