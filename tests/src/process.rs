//! What `/proc` says of a process: the only way in which tests look into the daemon.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::Pid;

/// A process of this machine, ours or a child of ours.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// Nothing is looked up before it is asked for.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Its id.
    pub fn id(self) -> u32 {
        self.pid
    }

    /// Its id, as system calls want it.
    pub fn pid(self) -> Result<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a process has a pid")
    }

    /// The processes that it has started and that are alive, oldest first.
    pub fn children(self) -> Result<Vec<Self>> {
        let mut pids: Vec<u32> = Vec::new();
        // A child is listed with the thread that started it.
        for task in self.tasks()? {
            let listed = match fs::read_to_string(task.join("children")) {
                // A thread that has ended since has none.
                Err(e)
                    if e.kind() == ErrorKind::NotFound
                        || e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
                {
                    continue;
                }
                listed => listed?,
            };
            pids.extend(listed.split_whitespace().map(str::parse::<u32>).collect::<Result<Vec<_>, _>>()?);
        }
        let mut children: Vec<_> = pids.into_iter().map(Self::new).collect();
        // Ids begin anew some day. One that has ended meanwhile is as old as can be.
        children.sort_by_key(|child| (child.started().unwrap_or_default(), child.pid));
        Ok(children)
    }

    /// When it started, in ticks since the host did.
    fn started(self) -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // The program's name, in parentheses, may hold anything.
        let fields = stat.rsplit_once(')').context("a stat has a name in it")?.1;
        Ok(fields.split_whitespace().nth(19).context("a stat has a start")?.parse()?)
    }

    /// Time its living threads have spent on a processor.
    pub fn cpu(self) -> Result<Duration> {
        let mut spent = Duration::ZERO;
        for task in self.tasks()? {
            let text = match fs::read_to_string(task.join("schedstat")) {
                // The thread has ended since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                text => text?,
            };
            let nanoseconds = text.split(' ').next().context("schedstat is empty")?;
            spent += Duration::from_nanos(nanoseconds.parse()?);
        }
        Ok(spent)
    }

    /// How often each thread (by id and name) has gone to sleep by itself: one more for each time
    /// that it was woken.
    pub fn sleeps(self) -> Result<BTreeMap<String, u64>> {
        let mut sleeps = BTreeMap::new();
        for task in self.tasks()? {
            let id = task.file_name().context("a task has an id")?.to_string_lossy().into_owned();
            let read = |file| fs::read_to_string(task.join(file));
            let (name, status) = match read("comm").and_then(|name| Ok((name, read("status")?))) {
                // The thread has ended since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                texts => texts?,
            };
            let count = field(&status, "voluntary_ctxt_switches:")?;
            sleeps.insert(format!("{id} {}", name.trim_end()), count);
        }
        Ok(sleeps)
    }

    /// Bytes of memory that are its own: heap and stacks, not its program.
    pub fn memory(self) -> Result<u64> {
        // Unlike the counters of `status`, which each processor keeps back in batches, this walks the pages.
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        Ok(field(&rollup, "Anonymous:")? * 1024)
    }

    /// Bytes of physical memory, its program included.
    pub fn resident(self) -> Result<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        Ok(field(&rollup, "Rss:")? * 1024)
    }

    /// How many files and sockets it has open.
    pub fn descriptors(self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }

    fn tasks(self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.pid))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }
}

fn field(text: &str, name: &str) -> Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_whitespace().next());
    Ok(number.with_context(|| format!("/proc has no {name}"))?.parse()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn our_own_process_has_a_thread_memory_and_a_past() {
        let own = Process::new(std::process::id());
        assert!(own.memory().unwrap() > 0);
        assert!(own.cpu().unwrap() > Duration::ZERO);
        assert!(own.sleeps().unwrap().keys().any(|name| name.starts_with(&std::process::id().to_string())));
    }

    #[test]
    fn our_own_child_is_listed_while_it_lives() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let children = || Process::new(std::process::id()).children().unwrap();
        assert!(children().iter().any(|process| process.id() == child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(children().iter().all(|process| process.id() != child.id()));
    }

    #[test]
    fn a_process_has_started_before_its_child() {
        let own = Process::new(std::process::id());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = Process::new(child.id()).started();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(started.unwrap() >= own.started().unwrap() && own.started().unwrap() > 0);
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:").unwrap(), 12);
        assert!(field(status, "switches:").is_err());
    }
}
