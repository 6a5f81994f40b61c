//! `entropool`: serves a host's randomness to its virtual machines, and asks those who do.
#![forbid(unsafe_code)]

mod args;
mod check;
mod client;
mod cluster;
mod commands;
mod diff;
mod egd;
mod libvirt;
mod offline;
mod output;
mod plan;
mod qemu_args;
mod render;
mod stream;
mod top;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use args::{Cli, Verb};

fn main() -> ExitCode {
    let called = std::env::args_os().next().map(PathBuf::from);
    if called.is_some_and(|path| path.file_name().is_some_and(|name| name == cluster::NAME)) {
        return cluster::main();
    }
    match act(&Cli::read()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("entropool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: &Cli) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    let done = match &cli.verb {
        Verb::Run(args) => return agent::run_host(&args.host_args()),
        Verb::Attach(args) => commands::block_on(commands::attach(global, args)),
        Verb::Detach(args) => commands::block_on(commands::detach(global, &args.vm)),
        Verb::Move(args) => commands::block_on(commands::move_vm(global, &args.vm, &args.class)),
        Verb::Pools => commands::block_on(commands::pools(global)),
        Verb::Classes(args) => commands::block_on(commands::classes(global, args)),
        Verb::Vms(args) => commands::block_on(commands::vms(global, args)),
        Verb::Waiting(args) => commands::block_on(commands::waiting(global, args)),
        Verb::Top(args) => commands::block_on(top::top(global, args)),
        Verb::Explain(args) => commands::block_on(commands::explain(global, &args.vm)),
        Verb::Sources(args) => commands::block_on(commands::sources(global, args)),
        Verb::Plan(args) => plan::plan(global, args),
        Verb::Check(args) => commands::block_on(check::check(global, args)),
        Verb::Egd(args) => egd::egd(args),
        Verb::QemuArgs(args) => commands::block_on(commands::qemu_args(global, args)),
        Verb::Libvirt(args) => libvirt::libvirt(global, args),
        Verb::Crds(args) => offline::crds(args),
        Verb::Completion(args) => offline::completion(args),
    };
    done.map(|()| ExitCode::SUCCESS)
}
