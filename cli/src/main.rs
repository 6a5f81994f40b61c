//! `entropool`: serves a host's entropy to its virtual machines, and shows and changes what a daemon serves.
#![forbid(unsafe_code)]

mod args;
mod check;
mod client;
mod cluster;
mod commands;
mod diff;
mod egd;
mod libvirt;
mod output;
mod plan;
mod retest;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;

use args::{Cli, CliCommand};

fn main() -> ExitCode {
    let program = std::env::args_os().next().map(PathBuf::from);
    if program.is_some_and(|path| path.file_name().is_some_and(|name| name == cluster::NAME)) {
        return cluster::main();
    }
    match execute(&Cli::read()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("entropool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: &Cli) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    let result = match &cli.command {
        CliCommand::Run(args) => return agent::run_host(&args.host_args()),
        CliCommand::Attach(args) => commands::block_on(commands::attach(global, args)),
        CliCommand::Detach(args) => commands::block_on(commands::detach(global, &args.vm)),
        CliCommand::Move(args) => commands::block_on(commands::move_vm(global, &args.vm, &args.class)),
        CliCommand::Pools => commands::block_on(commands::pools(global)),
        CliCommand::Classes(args) => commands::block_on(commands::classes(global, args)),
        CliCommand::Vms(args) => commands::block_on(commands::vms(global, args)),
        CliCommand::Waiting(args) => commands::block_on(commands::waiting(global, args)),
        CliCommand::Top(args) => commands::block_on(top::top(global, args)),
        CliCommand::Explain(args) => commands::block_on(commands::explain(global, &args.vm)),
        CliCommand::Sources(args) => commands::block_on(commands::sources(global, args)),
        CliCommand::Plan(args) => plan::plan(global, args),
        CliCommand::Check(args) => commands::block_on(check::check(global, args)),
        CliCommand::Egd(args) => egd::egd(args),
        CliCommand::QemuArgs(args) => commands::block_on(commands::qemu_args(global, args)),
        CliCommand::Libvirt(args) => libvirt::libvirt(global, args),
        CliCommand::Crds(args) => commands::crds(args),
        CliCommand::Completion(args) => commands::completion(args),
    };
    result.map(|()| ExitCode::SUCCESS)
}
