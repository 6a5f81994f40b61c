//! A real `entropool run` in a directory of its own, and the other verbs asked of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up; nothing takes so long.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The same in pieces.
const SILENCE: Duration = Duration::from_millis(100);
const SILENCES: u32 = 200;

/// `entropool` with these arguments and no environment of ours.
pub fn entropool<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(args: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entropool"));
    for variable in ["API", "RUN_DIR", "STATE_DIR", "SOCKET_DIR", "NAMESPACE", "METRICS", "LOG", "LOG_FORMAT"]
    {
        command.env_remove(format!("ENTROPOOL_{variable}"));
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// A directory for one daemon: manifests, sockets and state.
pub struct Home {
    dir: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file as an editor does: whole, and renamed over the old one.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = self.path(".new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &path).unwrap();
        path
    }

    pub fn socket(&self, vm: &str) -> PathBuf {
        self.path("run/vm").join(vm).join("egd.sock")
    }

    /// `entropool run` with the directories of this home.
    pub fn run(&self, args: &[&str]) -> Command {
        let mut command = entropool(["run"]);
        command.arg("--run-dir").arg(self.path("run")).arg("--state-dir").arg(self.path("state"));
        command.current_dir(self.dir.path()).args(args);
        command
    }

    /// What a daemon that must not start says, with this home's path left out.
    pub fn refused(&self, args: &[&str]) -> String {
        let output = output(&mut self.run(args));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let sentences = said.lines().filter(|line| !line.contains(" INFO "));
        sentences.collect::<Vec<_>>().join("\n").replace(self.dir.path().to_str().unwrap(), "HOME")
    }

    /// The newest checkpoint, as it is spelled on disk.
    pub fn checkpoint(&self) -> Option<Value> {
        let slots = ["state/state.a", "state/state.b"].map(|slot| fs::read(self.path(slot)).ok());
        let generation = |slot: &Vec<u8>| u64::from_be_bytes(slot[10..18].try_into().unwrap());
        let newest = slots.into_iter().flatten().max_by_key(generation)?;
        Some(serde_json::from_slice(&newest[22..newest.len() - 32]).unwrap())
    }

    pub fn start(&self, args: &[&str]) -> Daemon {
        self.start_with(args, "ready")
    }

    /// Starts a daemon whose log has these words first.
    pub fn start_with(&self, args: &[&str], words: &str) -> Daemon {
        let mut command = self.run(args);
        command.env("ENTROPOOL_LOG", "info,entropool_agent::checkpoint=debug");
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut daemon = Daemon::new(child, self.path("run/api.sock"));
        daemon.started = daemon.wait_for(words);
        daemon
    }
}

/// The same command, run by a shell after `before`.
pub fn after(before: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{before}\nexec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    shell
}

/// The same command with SIGHUP not ignored, even if whoever runs the tests ignores it, as `nohup` does.
pub fn minding_hang_up(command: &Command) -> Command {
    let mut env = Command::new("env");
    env.arg("--default-signal=HUP").arg(command.get_program()).args(command.get_args());
    env.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    env
}

/// A daemon that runs; killed with the test.
pub struct Daemon {
    child: Child,
    log: Receiver<String>,
    api: PathBuf,
    /// What it said when it had started.
    started: String,
}

impl Daemon {
    pub fn new(mut child: Child, api: PathBuf) -> Self {
        let (send, log) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, log, api, started: String::new() }
    }

    /// One of a command of its own.
    pub fn spawn(command: &mut Command, api: PathBuf) -> Self {
        Self::new(command.stderr(Stdio::piped()).spawn().unwrap(), api)
    }

    /// The process that was started.
    pub fn supervisor(&self) -> u32 {
        self.child.id()
    }

    /// Has the worker die as of a bug.
    pub fn kill_worker(&self) {
        kill_process(Pid::from_raw(self.id().try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    }

    /// Sends the first process a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// The next line of the log with `words` in it.
    pub fn wait_for(&mut self, words: &str) -> String {
        let (mut before, mut silences) = (Vec::new(), 0);
        loop {
            match self.log.recv_timeout(SILENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => before.push(line),
                // One that says something else all the time is not waited for without end.
                Err(RecvTimeoutError::Timeout) if silences < SILENCES => silences += 1,
                Err(error) => panic!("no line says {words:?} ({error}): {before:#?}"),
            }
        }
    }

    /// All lines that are left of the log of a daemon that has ended.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.log.recv_timeout(PATIENCE).ok()).collect()
    }

    /// Waits until the checkpoint in `home` is so; gives it.
    pub fn wait_until_kept(&mut self, home: &Home, so: impl Fn(&Value) -> bool) -> Value {
        loop {
            match home.checkpoint() {
                Some(state) if so(&state) => return state,
                _ => self.wait_for("checkpoint written"),
            };
        }
    }

    /// What it said when it had started.
    pub fn started(&self) -> &str {
        &self.started
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.kill_now();
    }

    pub fn kill_now(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The process that serves: the only child of the one that was started, once one that handed over has ended.
    pub fn id(&self) -> u32 {
        let file = format!("/proc/{0}/task/{0}/children", self.child.id());
        for _ in 0..SILENCES {
            let children = fs::read_to_string(&file).unwrap();
            if let Ok(id) = children.trim().parse() {
                return id;
            }
            thread::park_timeout(SILENCE);
        }
        panic!("there is not one worker");
    }

    /// Waits until the first process has so many children.
    pub fn wait_for_children(&self, count: usize) {
        let file = format!("/proc/{0}/task/{0}/children", self.child.id());
        for _ in 0..SILENCES {
            if fs::read_to_string(&file).unwrap().split_whitespace().count() == count {
                return;
            }
            thread::park_timeout(SILENCE);
        }
        panic!("there are not {count} workers");
    }

    pub fn ask(&self, args: &[&str]) -> Output {
        output(entropool(args).arg("--api").arg(&self.api))
    }

    /// What it answers over HTTP, where it was started with `--metrics 0`: the status and the rest.
    pub fn http(&self, path: &str) -> (u16, String) {
        let address = self.started.split_once("metrics=").expect("started with --metrics").1;
        let mut stream = TcpStream::connect(address.trim()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    /// The value of one series; nothing if there is none.
    pub fn series(&self, series: &str) -> Option<f64> {
        let (_, text) = self.http("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    /// What a verb that succeeds prints.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a verb that fails complains of.
    pub fn refuses(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The document a verb prints.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[args, &["-o", "json"]].concat())).unwrap()
    }

    /// Has it die of SIGABRT, as of a bug.
    pub fn abort(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::ABORT).unwrap();
        self.child.wait().unwrap()
    }

    /// Has a new process of it take over from the one that serves.
    pub fn hand_over(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::USR2).unwrap();
        self.wait_for("took over");
        self.wait_for("ready");
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Asks for a worker that takes over from the one that serves.
    pub fn succeed(&self) {
        kill_process(Pid::from_child(&self.child), Signal::USR2).unwrap();
    }

    /// How often any of its threads went to sleep of its own accord.
    pub fn sleeps(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        tasks
            .map(|task| {
                let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
                let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                line.unwrap().trim().parse::<u64>().unwrap()
            })
            .sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `bytes` from a VM's socket, and says how many came.
pub fn draw(socket: &Path, bytes: u64) -> usize {
    let output = output(entropool(["egd", "read", &bytes.to_string()]).arg(socket));
    assert!(output.status.success(), "{output:?}");
    output.stdout.len()
}

/// What a command prints that ends by itself; one that does not is killed, and fails the test.
pub fn output(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_child(&child);
    let (send, ended) = channel();
    thread::spawn(move || send.send(child.wait_with_output().unwrap()));
    ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        // Nobody has waited for it, so the number is still its own.
        let _ = kill_process(id, Signal::KILL);
        panic!("{command:?} does not end");
    })
}
