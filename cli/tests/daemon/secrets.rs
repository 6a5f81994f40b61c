//! No random byte in what a core dump would hold, and no core dump.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{Home, output};
use crate::upstream::random;

const PATIENCE: Duration = Duration::from_secs(20);
/// As much as a pool has made beforehand, and some more.
const BYTES: usize = 16_384;

/// The writable memory of a process that a core dump holds: all but what it asked to leave out.
fn dumped(pid: u32) -> Vec<Vec<u8>> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let (mut regions, mut region) = (vec![], None);
    for line in maps.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [range, rights, ..] if range.contains('-') && rights.len() == 4 => {
                region = rights.starts_with("rw").then(|| range.to_owned());
            }
            ["VmFlags:", ..] if !words.contains(&"dd") => regions.extend(region.take()),
            _ => {}
        }
    }
    let read = |range: String| {
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|digits| u64::from_str_radix(digits, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // A region that was unmapped in between is not dumped either.
        memory.read_exact_at(&mut bytes, start).ok().map(|()| bytes)
    };
    regions.into_iter().filter_map(read).collect()
}

/// Whether eight bytes of these, of each sixteen, are somewhere in the memory.
fn holds(memory: &[Vec<u8>], bytes: &[u8]) -> bool {
    // Most memory is zero, and is not worth a look.
    let wanted = bytes.chunks_exact(16).map(|chunk| &chunk[..8]).filter(|start| start[0] != 0);
    let wanted: HashSet<&[u8]> = wanted.collect();
    memory.iter().any(|region| region.windows(8).any(|window| window[0] != 0 && wanted.contains(window)))
}

#[test]
fn core_dump_has_no_random_bytes() {
    for output in ["Raw", "FullEntropy", "Stretched"] {
        let home = Home::new();
        let path = home.path("noise");
        fs::write(&path, random(400_000)).unwrap();
        home.write(
            "pools.yaml",
            &format!(
                "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{output: \
                 {output}, sources: [{{name: trng, minEntropyPerByte: '8', file: {{path: {}}}}}]}}}}\n",
                path.display()
            ),
        );
        let vm = "a=default,client=egd";
        let daemon = home.start(&["-f", "pools.yaml", "--allow-test-sources", "--vm", vm]);
        let mut guest = UnixStream::connect(home.socket("a")).unwrap();
        guest.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut draw = |count: usize| {
            let mut bytes = vec![0; count];
            guest.write_all(&[2, 128].repeat(count / 128)).unwrap();
            guest.read_exact(&mut bytes).unwrap();
            bytes
        };
        draw(128);
        let before = dumped(daemon.id());
        let served = draw(BYTES);
        let after = dumped(daemon.id());
        assert!(after.iter().map(Vec::len).sum::<usize>() > 100_000, "there is memory to look at");
        assert!(!holds(&before, &served), "{output}: bytes that wait are in a core");
        assert!(!holds(&after, &served), "{output}: bytes that were served are in a core");
    }
}

#[test]
fn search_finds_bytes_that_are_there() {
    let bytes: Vec<u8> = (1..=64).collect();
    let hidden = [&random(1_000)[..], &bytes[32..48], &random(1_000)].concat();
    assert!(holds(&[vec![], hidden], &bytes));
    assert!(!holds(&[random(100_000)], &bytes));
}

#[test]
fn aborted_daemon_leaves_no_core() {
    let home = Home::new();
    let mut daemon = home.start(&["--vm", "a=default"]);
    let unlimited = || Rlimit { current: None, maximum: None };
    prlimit(Pid::from_raw(daemon.id().cast_signed()), Resource::Core, unlimited()).expect("run as root");
    let ended = daemon.abort();
    assert!(ended.signal().is_some() && !ended.core_dumped(), "{ended:?}");

    // On this host others do leave one, or it would have shown nothing.
    let mut control = Command::new("sh");
    control.args(["-c", "ulimit -c unlimited && kill -ABRT $$"]).current_dir(home.path("state"));
    let control = output(control.stdin(Stdio::null()));
    assert!(control.status.core_dumped(), "this host lets nobody leave a core: {control:?}");
}
