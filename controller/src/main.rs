//! `entropool-controller`, the control plane's program.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    controller::run(controller::ControllerArgs::parse())
}
