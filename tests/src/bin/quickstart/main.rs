//! What `make run` shows: the quickstart manifests, two real guests in two classes, and who gets how
//! much of what both want all of.
#![allow(clippy::disallowed_methods)] // It shows real time passing.

mod answers;
mod interrupt;
mod live;
mod table;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use entropool_tests::console::Count;
use entropool_tests::{Daemon, Guest, GuestTask, Host, Image, binary};

use crate::interrupt::{Interrupt, Interrupted};
use crate::table::Row;

const MANIFEST: &str = "deploy/samples/quickstart.yaml";
const VMS: [Vm; 2] = [Vm { name: "web-1", class: "gold" }, Vm { name: "batch-1", class: "bronze" }];
const SECONDS: u32 = 10;
/// Of a guest's first bytes, enough to see that they are its own.
const SHOWN: usize = 8;

struct Vm {
    name: &'static str,
    class: &'static str,
}

impl Vm {
    /// As after `--vm`.
    fn flag(&self) -> String {
        format!("{}=default/{}", self.name, self.class)
    }
}

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            eprintln!("quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<()> {
    let interrupt = Interrupt::watch()?;
    let mut daemon = start()?;
    let guests = boot(&daemon)?;
    interrupt.check()?;

    let before = counts(&guests)?;
    println!("\nBoth read all they can get. This is `entropool top`, {SECONDS} times a second apart:\n");
    let shown = live::show(daemon.host(), SECONDS);
    interrupt.check()?;
    shown?;

    println!("\nAnd this is what came of it:\n");
    print!("{}", table::render(&rows(&daemon, &guests, &before)?));
    if env::var_os("KEEP").is_some_and(|keep| keep != "0" && !keep.is_empty()) {
        keep(&daemon, &interrupt);
    }
    drop(guests);
    daemon.terminate()?;
    daemon.ended()?;
    Ok(())
}

fn start() -> Result<Daemon> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(MANIFEST);
    let manifest = std::fs::read_to_string(&path).with_context(|| format!("reading {MANIFEST}"))?;
    let host = Host::new(binary::beside_us()?, &manifest)?;
    println!("entropool run -f {MANIFEST} --vm {} --vm {}", VMS[0].flag(), VMS[1].flag());
    let begin = Instant::now();
    let daemon = Daemon::start(host, &VMS.map(|vm| vm.flag()))?;
    println!("  ready after {}", seconds(begin.elapsed()));
    Ok(daemon)
}

/// Both at once; each then floods.
fn boot(daemon: &Daemon) -> Result<Vec<Guest>> {
    let image = Image::build()?;
    println!("Booting two guests in QEMU, Linux {}", image.version());
    let begin = Instant::now();
    let errand = GuestTask::Flood { show: SHOWN };
    let guests = VMS
        .iter()
        .map(|vm| Guest::boot(&image, &daemon.socket(vm.name), errand))
        .collect::<Result<Vec<_>>>()?;
    for (vm, guest) in VMS.iter().zip(&guests) {
        guest.up()?;
        let bytes: Vec<_> = guest.bytes()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let (name, after) = (vm.name, seconds(begin.elapsed()));
        println!(
            "  {name:<8} after {after}: the first {SHOWN} bytes of its /dev/hwrng are {}",
            bytes.join(" ")
        );
    }
    Ok(guests)
}

/// A fresh one of each guest.
fn counts(guests: &[Guest]) -> Result<Vec<Count>> {
    guests.iter().map(fresh_count).collect()
}

fn fresh_count(guest: &Guest) -> Result<Count> {
    guest.newest_count();
    guest.count()
}

fn rows(daemon: &Daemon, guests: &[Guest], before: &[Count]) -> Result<Vec<Row>> {
    let row = |((vm, guest), before): ((&Vm, &Guest), &Count)| {
        let count = fresh_count(guest)?;
        // Asked in the moment of the guest's own count, so that the two can be compared.
        let served = answers::served(daemon.host(), vm.name)?;
        let [rate, ceil] = answers::limits(daemon.host(), vm.class)?;
        Ok(Row {
            vm: vm.name,
            class: vm.class,
            rate,
            ceil,
            served,
            read: count.bytes,
            pace: pace(*before, count),
        })
    };
    VMS.iter().zip(guests).zip(before).map(row).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a guest reads far less than 2^53 bytes")]
fn pace(from: Count, to: Count) -> f64 {
    (to.bytes - from.bytes) as f64 / (to.uptime.as_secs_f64() - from.uptime.as_secs_f64())
}

fn keep(daemon: &Daemon, interrupt: &Interrupt) {
    let api = daemon.host().run_dir().join("api.sock");
    let api = api.display();
    println!("\nAll of it stays up until Ctrl-C. In another terminal:\n");
    let program = binary::beside_us().map_or_else(|_| "entropool".into(), |path| path.display().to_string());
    for verb in ["top", "explain batch-1", "vms", "move batch-1 gold", "attach mine=default/gold"] {
        println!("  {program} --api {api} {verb}");
    }
    println!("  $EDITOR {}     # applies live\n", daemon.host().manifest().display());
    interrupt.wait();
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
