//! The real program as a pod runs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use delivery::{NodeConfig, Version, WatchedKind};
use entropool_agent::testing::checkpoint::{Checkpoint, CheckpointState, HostDisk, LastGood};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getgid, kill_process, pidfd_open};

use crate::config::config;
use crate::node::Host;

/// Long enough for whatever it does at once, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The first process of an agent, in a pod of its own on the node. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    log: Receiver<String>,
}

impl Host {
    /// Has the node know its configuration: no controller is there to tell it.
    pub(crate) fn configure(&self) {
        self.configure_as(&config());
    }

    /// The same with another configuration.
    pub(crate) fn configure_as(&self, config: &NodeConfig) {
        let version: Version = [(WatchedKind::POOLS, 1), (WatchedKind::CLASSES, 1)].into_iter().collect();
        let bytes = codec::encode_persisted(&version, &codec::encode(config));
        let last_good = Some(LastGood { encoding: codec::ENCODING, bytes });
        let (mut checkpoint, _) = Checkpoint::open(HostDisk::new(self.path("state")));
        checkpoint.save(&CheckpointState { last_good, ..CheckpointState::default() }).unwrap();
    }

    /// The file of a pod by which its age is told.
    fn started(&self, pod: &str) -> PathBuf {
        let dir = self.path(pod);
        fs::create_dir_all(&dir).unwrap();
        dir.join("started")
    }
}

impl Program {
    /// Starts the container of a pod.
    pub(crate) fn start(host: &Host, pod: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entropool-agent"));
        let nobody = format!("unix:{}", host.path("no-controller").display());
        command.args(["--node", "node-1", "--controller", &nobody]);
        command.arg("--run-dir").arg(host.path("run")).arg("--state-dir").arg(host.path("state"));
        command.arg("--kubelet-dir").arg(host.path("kubelet"));
        command.arg("--pod-started").arg(host.started(pod));
        command.args(["--socket-group", &getgid().to_string()]);
        command.env_remove("ENTROPOOL_LOG").env("ENTROPOOL_LOG_FORMAT", "text");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (say, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(say.send(line)));
        });
        Self { child, log }
    }

    /// Waits for a line of its log, and gives it.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let mut before = String::new();
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it never said {text:?}, but:\n{before}"));
            if line.contains(text) {
                return line;
            }
            before = before + &line + "\n";
        }
    }

    /// The processes that it has started and that are alive.
    pub(crate) fn workers(&self) -> Vec<i32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let listed = |task: std::io::Result<fs::DirEntry>| {
            fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
        };
        let all: Vec<String> = tasks.map(listed).collect();
        all.iter().flat_map(|text| text.split_whitespace()).map(|id| id.parse().unwrap()).collect()
    }

    /// Kills what serves.
    pub(crate) fn crash(&self) {
        for worker in self.workers() {
            kill_process(Pid::from_raw(worker).unwrap(), Signal::KILL).unwrap();
        }
    }

    /// Kills all of it, as when a node runs out of memory.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as a kubelet does, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        let exit = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let ended = poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ended, 1, "it does not end");
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
