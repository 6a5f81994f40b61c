//! `make bench`: the data path against the raw floor.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use bench::{Case, Part, Peer, Report};
use clap::Parser;

/// Measures `entropool run` against the raw floor at 1, 64 and 1,000 sockets.
#[derive(Parser)]
struct Args {
    /// The program under test, built for release.
    #[arg(long)]
    entropool: PathBuf,
    /// Interleaved pairs per case.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Prints JSON lines besides the table.
    #[arg(long)]
    json: bool,
    /// Prints what parts cost by themselves, and measures nothing else.
    #[arg(long)]
    parts: bool,
}

const CASES: [Case; 5] = [
    Case { sockets: 1, reply: 64, depth: 1, cores: ("0", "0") },
    Case { sockets: 1, reply: 64, depth: 1, cores: ("0", "1") },
    Case { sockets: 64, reply: 64, depth: 1, cores: ("0", "1") },
    Case { sockets: 1000, reply: 64, depth: 1, cores: ("0", "1") },
    Case { sockets: 64, reply: 255, depth: 16, cores: ("0", "1") },
];

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.pairs > 0 && args.seconds > 0.0, "--pairs and --seconds are at least one");
    for part in Part::all() {
        let Part { what, figure, unit } = part;
        println!("{what}: {figure:.1} {unit}");
        if args.json {
            println!("{}", part.json());
        }
    }
    if args.parts {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let floor = Peer::build_floor(dir.path())?;
    println!("load before: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    println!("{}", Report::HEADER);
    for case in CASES {
        let report = case.run(&floor, &args.entropool, args.pairs, args.seconds)?;
        println!("{}", report.row());
        if args.json {
            println!("{}", report.json());
        }
    }
    println!("load after: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}
