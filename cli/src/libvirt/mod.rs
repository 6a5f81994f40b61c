//! `libvirt`: the pool of each of libvirt's domains, and its socket while it runs.

mod hook;
mod set;
mod virsh;

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};

use crate::args::{Global, LibvirtArgs, LibvirtCommand, TranslateArgs};
use crate::{commands, output};

pub(crate) fn libvirt(global: &Global, args: &LibvirtArgs) -> Result<()> {
    match &args.command {
        LibvirtCommand::Set(args) => commands::block_on(set::set(global, args)),
        LibvirtCommand::Unset(args) => set::unset(args),
        LibvirtCommand::Translate(args) => translate(args),
        LibvirtCommand::Hook(args) => commands::block_on(hook::hook(global, args, &standard_input()?)),
    }
}

fn translate(args: &TranslateArgs) -> Result<()> {
    let xml = if args.file == Path::new("-") {
        standard_input()?
    } else {
        fs::read_to_string(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?
    };
    let name = domain_xml::name(&xml)?;
    let socket = set::socket(&args.sockets.socket_dir, name.as_deref().unwrap_or_default());
    // A domain without a pool needs no socket, so that an invalid name is no error.
    let translation = domain_xml::translate(&xml, socket.as_deref().unwrap_or_default())?;
    if translation.selection.is_some() {
        socket?;
    }
    output::print(&translation.xml)
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}
