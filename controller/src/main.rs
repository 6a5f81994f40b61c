//! The controller.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    controller::run(controller::Args::parse())
}
