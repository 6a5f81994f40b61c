//! Commands and flags.

mod egd;
mod examples;
mod host;
mod libvirt;
mod list;
mod paths;
mod run;
#[cfg(test)]
mod tests;
mod vm;

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use egd::{EgdArgs, EgdCommand, QemuArgs, QemuVersion};
pub(crate) use host::{CheckArgs, CompletionArgs, ConfigArgs, CrdsArgs, ManArgs, PlanArgs, StateArgs};
pub(crate) use libvirt::{HookArgs, LibvirtArgs, LibvirtCommand, SetArgs, TranslateArgs, UnsetArgs};
pub(crate) use list::{ClassesArgs, SourcesArgs, SourcesCommand, TopArgs, VmsArgs};
pub(crate) use paths::DefaultPaths;
pub(crate) use run::RunArgs;
pub(crate) use vm::{
    AttachArgs, ClientKind, DetachArgs, ExplainArgs, MoveArgs, PoolClass, TcpVmSpec, VmSpec,
};

/// Rations a host's entropy to its virtual machines.
#[derive(Debug, Parser)]
#[command(name = "entropool", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

/// The command line, with examples.
pub(crate) fn command() -> Command {
    examples::with_examples(Cli::command())
}

impl Cli {
    /// Parses the command line; exits with help or an error message.
    pub(crate) fn read() -> Self {
        let matches = command().get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if matches!(cli.command, CliCommand::Run(_)) && has_api(&matches) {
            let message = "run listens on api.sock in its run directory; use --run-dir instead of --api";
            command().error(ErrorKind::ArgumentConflict, message).exit();
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
    /// The socket of the daemon [default: /run/entropool/api.sock; without root, that of the session where a daemon
    /// serves it, in $XDG_RUNTIME_DIR]
    #[arg(
        long,
        global = true,
        value_name = "SOCKET",
        env = "ENTROPOOL_API",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    api: Option<PathBuf>,
    /// The output format: columns for people, some or all of them; JSON or YAML for programs
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

impl Global {
    /// The socket of the daemon.
    pub(crate) fn api(&self) -> &Path {
        self.api.as_deref().unwrap_or(&DefaultPaths::here().api)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns that fit 80.
    Table,
    /// All columns.
    Wide,
    Json,
    Yaml,
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
    Config(ConfigArgs),
    Check(CheckArgs),
    Sources(SourcesArgs),
    Egd(EgdArgs),
    QemuArgs(QemuArgs),
    Libvirt(LibvirtArgs),
    Crds(CrdsArgs),
    Completion(CompletionArgs),
    Man(ManArgs),
    /// Print the version
    Version,
}
