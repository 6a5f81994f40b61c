//! Verbs and flags.

mod check;
mod egd;
mod host;
mod libvirt;
mod list;
mod member;
mod plan;
mod port;
mod qemu;
mod run;
mod sources;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use check::CheckArgs;
pub(crate) use egd::{EgdArgs, EgdVerb};
pub(crate) use host::{CompletionArgs, CrdsArgs};
pub(crate) use libvirt::{HookArgs, LibvirtArgs, LibvirtVerb, SetArgs, TranslateArgs, UnsetArgs};
pub(crate) use list::{ClassesArgs, TopArgs, VmsArgs, WaitingArgs};
pub(crate) use member::{AttachArgs, Client, DetachArgs, ExplainArgs, Member, MoveArgs, PoolClass};
pub(crate) use plan::PlanArgs;
pub(crate) use port::Port;
pub(crate) use qemu::{QemuArgs, QemuVersion};
pub(crate) use run::RunArgs;
pub(crate) use sources::{SourcesArgs, SourcesVerb};

/// Where a daemon that was told nothing else listens.
pub(crate) const DEFAULT_API: &str = "/run/entropool/api.sock";

/// Rations a host's randomness to its virtual machines.
#[derive(Debug, Parser)]
#[command(name = "entropool", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Cli {
    /// Reads the command line, and ends the program with help or a complaint where that is what is due.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if matches!(cli.verb, Verb::Run(_)) && says_api(&matches) {
            let message =
                "run listens on api.sock in its run directory: choose that with --run-dir, not --api";
            Self::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        cli
    }
}

/// Whether `--api` was written, before the verb or after it.
fn says_api(matches: &ArgMatches) -> bool {
    let written = |matches: &ArgMatches| matches.value_source("api") == Some(ValueSource::CommandLine);
    written(matches) || matches.subcommand().is_some_and(|(_, matches)| written(matches))
}

/// What every verb understands.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The daemon to talk to
    #[arg(
        long,
        global = true,
        value_name = "SOCKET",
        env = "ENTROPOOL_API",
        hide_env_values = true,
        default_value = DEFAULT_API,
        help_heading = "Global options"
    )]
    pub(crate) api: PathBuf,
    /// How to print: columns for a person, or a document for a program
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        help_heading = "Global options"
    )]
    pub(crate) output: Format,
}

/// How to print what is a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// What to do; a verb with flags is described where its flags are.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(RunArgs),
    Attach(AttachArgs),
    Detach(DetachArgs),
    Move(MoveArgs),
    /// List the pools
    Pools,
    Classes(ClassesArgs),
    Vms(VmsArgs),
    Waiting(WaitingArgs),
    Top(TopArgs),
    Explain(ExplainArgs),
    Plan(PlanArgs),
    Check(CheckArgs),
    Sources(SourcesArgs),
    Egd(EgdArgs),
    QemuArgs(QemuArgs),
    Libvirt(LibvirtArgs),
    Crds(CrdsArgs),
    Completion(CompletionArgs),
}
