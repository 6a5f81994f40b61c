//! The real `entropool run`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::host::Host;
use crate::process::Process;

/// A running daemon; dropped, it is killed.
pub struct Daemon {
    host: Host,
    arguments: Vec<String>,
    child: Child,
    said: Receiver<String>,
}

/// How long a daemon may take for anything that it does at once.
const PATIENCE: Duration = Duration::from_secs(30);
const READY: &str = "ready";

impl Daemon {
    /// Starts one for `vms`, each as in `--vm`, and waits until it is ready.
    pub fn start(host: Host, vms: &[impl AsRef<str>]) -> Result<Self> {
        let arguments: Vec<_> = vms.iter().flat_map(|vm| ["--vm", vm.as_ref()]).collect();
        Self::start_with(host, &arguments)
    }

    /// Starts one with these arguments after those of its host, and waits until it is ready.
    pub fn start_with(host: Host, arguments: &[impl AsRef<str>]) -> Result<Self> {
        let arguments: Vec<_> = arguments.iter().map(|word| word.as_ref().to_owned()).collect();
        let (child, said) = spawn(host.run().args(&arguments))?;
        let daemon = Self { host, arguments, child, said };
        daemon.wait_for(READY)?;
        Ok(daemon)
    }

    /// Kills the process that serves, and waits until another one does.
    pub fn crash(&self) -> Result<()> {
        kill_process(self.process()?.pid()?, Signal::KILL)?;
        self.wait_for(READY)?;
        Ok(())
    }

    /// Kills all of it, as an operator's `kill -9` does, starts it anew, and waits until it is ready.
    pub fn restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        (self.child, self.said) = spawn(self.host.run().args(&self.arguments))?;
        self.wait_for(READY)?;
        Ok(())
    }

    /// Has another one take over from it, which then is this one; the first must end well.
    pub fn take_over(&mut self) -> Result<()> {
        let (child, said) = spawn(self.host.run().args(&self.arguments).arg("--take-over"))?;
        let mut first = std::mem::replace(&mut self.child, child);
        self.said = said;
        let ready = self.wait_for(READY);
        let status = end_of(&mut first)?;
        ready?;
        ensure!(status.success(), "the daemon that handed over ended with {status}");
        Ok(())
    }

    /// Its files, and the way to ask it.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Where the VM called `vm` finds it.
    pub fn socket(&self, vm: &str) -> PathBuf {
        self.host.socket(vm)
    }

    /// The process that serves; the newest where two do.
    pub fn process(&self) -> Result<Process> {
        self.supervisor().children()?.pop().context("the supervisor has no worker")
    }

    /// The process that was started, which sees to it that another one serves.
    pub fn supervisor(&self) -> Process {
        Process::new(self.child.id())
    }

    /// Waits for a line of its log that contains `text`; those before it are gone.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        let mut before = String::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.said.recv_timeout(left) else {
                bail!("the daemon did not say {text:?}, but:\n{before}");
            };
            if line.contains(text) {
                return Ok(line);
            }
            before = before + &line + "\n";
        }
    }

    /// Asks it to end, as systemd and the kubelet do.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends the process that was started a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid()?, signal)?)
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        end_of(&mut self.child)
    }

    fn pid(&self) -> Result<Pid> {
        self.supervisor().pid()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a daemon ended that should not have started.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// All that it said, on either output.
    pub said: String,
}

impl Refusal {
    /// Runs `command` to its end. One that serves instead is killed, and that is an error.
    pub fn of(command: &mut Command) -> Result<Self> {
        let (mut child, said) = spawn(command)?;
        let ended = end_of(&mut child);
        if ended.is_err() {
            child.kill()?;
            child.wait()?;
        }
        let said: Vec<_> = said.iter().collect();
        let said = said.join("\n");
        let status = ended.with_context(|| format!("it was not refused:\n{said}"))?;
        Ok(Self { code: status.code(), said })
    }
}

fn end_of(child: &mut Child) -> Result<ExitStatus> {
    let exit = pidfd_open(Process::new(child.id()).pid()?, PidfdFlags::empty())?;
    if poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&Timespec::try_from(PATIENCE)?))? == 0 {
        bail!("the daemon has not ended in {PATIENCE:?}");
    }
    Ok(child.wait()?)
}

fn spawn(command: &mut Command) -> Result<(Child, Receiver<String>)> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", Path::new(&program).display()))?;
    let (sender, said) = channel();
    pass_on(child.stdout.take().context("standard output is a pipe")?, sender.clone());
    pass_on(child.stderr.take().context("standard error is a pipe")?, sender);
    Ok((child, said))
}

fn pass_on(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        // Read to the end even when nobody listens: a full pipe would stop the daemon.
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
}
