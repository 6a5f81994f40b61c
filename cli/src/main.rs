//! `entropool`: serves a host's randomness to its virtual machines, and asks those who do.
#![forbid(unsafe_code)]

mod args;
mod ask;
mod check;
mod cluster;
mod daemon;
mod edit;
mod egd;
mod host;
mod libvirt;
mod print;
mod qemu_args;
mod render;
mod run;
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
        Verb::Run(args) => return run::run(args),
        Verb::Attach(args) => ask::block_on(ask::attach(global, args)),
        Verb::Detach(args) => ask::block_on(ask::detach(global, &args.vm)),
        Verb::Move(args) => ask::block_on(ask::move_vm(global, &args.vm, &args.class)),
        Verb::Pools => ask::block_on(ask::pools(global)),
        Verb::Classes(args) => ask::block_on(ask::classes(global, args)),
        Verb::Vms(args) => ask::block_on(ask::vms(global, args)),
        Verb::Waiting(args) => ask::block_on(ask::waiting(global, args)),
        Verb::Top(args) => ask::block_on(top::top(global, args)),
        Verb::Explain(args) => ask::block_on(ask::explain(global, &args.vm)),
        Verb::Sources(args) => ask::block_on(ask::sources(global, args)),
        Verb::Plan(args) => run::plan(global, args),
        Verb::Check(args) => ask::block_on(check::check(global, args)),
        Verb::Egd(args) => egd::egd(args),
        Verb::QemuArgs(args) => ask::block_on(ask::qemu_args(global, args)),
        Verb::Libvirt(args) => libvirt::libvirt(global, args),
        Verb::Crds(args) => host::crds(args),
        Verb::Completion(args) => host::completion(args),
    };
    done.map(|()| ExitCode::SUCCESS)
}
