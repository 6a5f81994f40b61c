//! Commands and flags.

mod egd;
mod host;
mod libvirt;
mod list;
mod run;
#[cfg(test)]
mod tests;
mod vm;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use egd::{EgdArgs, EgdCommand, QemuArgs, QemuVersion};
pub(crate) use host::{CheckArgs, CompletionArgs, CrdsArgs, PlanArgs};
pub(crate) use libvirt::{HookArgs, LibvirtArgs, LibvirtCommand, SetArgs, TranslateArgs, UnsetArgs};
pub(crate) use list::{ClassesArgs, SourcesArgs, SourcesCommand, TopArgs, VmsArgs};
pub(crate) use run::RunArgs;
pub(crate) use vm::{
    AttachArgs, ClientKind, DetachArgs, ExplainArgs, MoveArgs, PoolClass, TcpVmSpec, VmSpec,
};

/// The socket of a daemon that runs with default flags.
const DEFAULT_API: &str = "/run/entropool/api.sock";

/// Rations a host's entropy to its virtual machines.
#[derive(Debug, Parser)]
#[command(name = "entropool", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

impl Cli {
    /// Parses the command line; exits with help or an error message.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if matches!(cli.command, CliCommand::Run(_)) && has_api(&matches) {
            let message = "run listens on api.sock in its run directory; use --run-dir instead of --api";
            Self::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        cli
    }
}

/// Whether `--api` is on the command line, before the command or after it.
fn has_api(matches: &ArgMatches) -> bool {
    let given = |matches: &ArgMatches| matches.value_source("api") == Some(ValueSource::CommandLine);
    given(matches) || matches.subcommand().is_some_and(|(_, matches)| given(matches))
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// The socket of the daemon
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
    /// The output format: columns for people, or JSON for programs
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// A command with flags is documented at its flags.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    Run(RunArgs),
    Attach(AttachArgs),
    Detach(DetachArgs),
    Move(MoveArgs),
    /// List the pools
    Pools,
    Classes(ClassesArgs),
    /// List the attached VMs
    Vms(VmsArgs),
    /// List the VMs that wait for bytes, and what they wait for
    Waiting(VmsArgs),
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
