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
mod top;

use std::path::PathBuf;
use std::process::ExitCode;

use args::{Cli, Command};

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
        Command::Run(args) => return agent::run_host(&args.host_args()),
        Command::Attach(args) => commands::block_on(commands::attach(global, args)),
        Command::Detach(args) => commands::block_on(commands::detach(global, &args.vm)),
        Command::Move(args) => commands::block_on(commands::move_vm(global, &args.vm, &args.class)),
        Command::Pools => commands::block_on(commands::pools(global)),
        Command::Classes(args) => commands::block_on(commands::classes(global, args)),
        Command::Vms(args) => commands::block_on(commands::vms(global, args)),
        Command::Waiting(args) => commands::block_on(commands::waiting(global, args)),
        Command::Top(args) => commands::block_on(top::top(global, args)),
        Command::Explain(args) => commands::block_on(commands::explain(global, &args.vm)),
        Command::Sources(args) => commands::block_on(commands::sources(global, args)),
        Command::Plan(args) => plan::plan(global, args),
        Command::Check(args) => commands::block_on(check::check(global, args)),
        Command::Egd(args) => egd::egd(args),
        Command::QemuArgs(args) => commands::block_on(commands::qemu_args(global, args)),
        Command::Libvirt(args) => libvirt::libvirt(global, args),
        Command::Crds(args) => commands::crds(args),
        Command::Completion(args) => commands::completion(args),
    };
    result.map(|()| ExitCode::SUCCESS)
}
