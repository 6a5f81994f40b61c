//! A Kubernetes in which pods run, with entropool installed as users install it.

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};

use super::tools::{in_repository, programs, said};
use crate::binary;

const LOOK: Duration = Duration::from_millis(200);
/// Looks before something that should come is given up: two minutes, and on a busy machine more.
const LOOKS: u32 = 600;

/// One node with containerd and a kubelet, the control plane, and the chart: all of it real, in a network namespace of its
/// own. It ends with the process that started it, unless `ENTROPOOL_CLUSTER` names one to use.
pub struct Kubernetes {
    programs: &'static Path,
    state: PathBuf,
    _guard: Option<Guard>,
}

/// The end of this pipe ends everything, also when the test is killed. Never written to.
type Guard = (ChildStdin, Child);

impl Kubernetes {
    /// The one of this process, for one test at a time: tests end agents and take controllers away.
    pub fn alone() -> Result<MutexGuard<'static, Self>> {
        static SHARED: OnceLock<Result<Mutex<Kubernetes>, String>> = OnceLock::new();
        let shared =
            SHARED.get_or_init(|| Self::start().map(Mutex::new).map_err(|error| format!("{error:#}")));
        let shared = shared.as_ref().map_err(|sentence| Error::msg(sentence.clone()))?;
        // A test that has failed says so itself.
        Ok(shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn start() -> Result<Self> {
        let programs = programs()?;
        build()?;
        // Somebody's own, who wants to look at it afterwards.
        let given = env::var_os("ENTROPOOL_CLUSTER").map(PathBuf::from);
        let own = || PathBuf::from(format!("/var/lib/entropool-test-{}", std::process::id()));
        let state = given.clone().unwrap_or_else(own);
        // Before anything runs, so that nothing can be left over.
        let guard = if given.is_none() { Some(guard(&state)?) } else { None };
        let cluster = Self { programs, state, _guard: guard };
        said(cluster.script("cluster").arg("up"))?;
        cluster.install(&["--set", "controller.replicas=1"])?;
        Ok(cluster)
    }

    /// Installs the chart with images of this tree, or upgrades to them.
    pub fn install(&self, values: &[&str]) -> Result<()> {
        said(self.script("install").env("PROGRAMS", build()?).args(values)).map(drop)
    }

    /// `KubeVirt`, installed by its own operator; the first who asks waits for some minutes.
    pub fn kubevirt(&self) -> Result<()> {
        static UP: OnceLock<Result<(), String>> = OnceLock::new();
        let up = UP.get_or_init(|| {
            said(&mut self.script("kubevirt-up")).map(drop).map_err(|error| format!("{error:#}"))
        });
        up.clone().map_err(Error::msg)
    }

    /// A second node, with what VMs need: so there is somewhere to move to. Other tests keep to `node1`.
    pub fn second_node(&self) -> Result<()> {
        static UP: OnceLock<Result<(), String>> = OnceLock::new();
        let up = || {
            said(self.script("cluster").args(["up", "--nodes", "2"]))?;
            said(self.script("images").arg(build()?))?;
            said(&mut self.script("kubevirt-up"))?;
            self.said("-n entropool-system rollout status daemonset/entropool-agent --timeout=120s").map(drop)
        };
        UP.get_or_init(|| up().map_err(|error: Error| format!("{error:#}"))).clone().map_err(Error::msg)
    }

    /// `kubectl` with all rights.
    pub fn kubectl(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let network = Path::new("/run/netns").join(self.state.file_name().unwrap_or_default());
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", network.display())).arg(self.programs.join("kubectl"));
        command.env("KUBECONFIG", self.state.join("admin.conf")).env("HOME", &self.state).args(words);
        command
    }

    /// What `kubectl` prints; an error when it fails. Words are those between spaces.
    pub fn said(&self, words: &str) -> Result<String> {
        said(&mut self.kubectl(words.split_whitespace()))
    }

    /// Applies manifests, and gives what is said of that: also what the API server warns of.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let mut child = self
            .kubectl(["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("standard input is a pipe")?;
        stdin.write_all(manifests.as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&output.stderr));
        Ok((String::from_utf8_lossy(&output.stdout) + &*String::from_utf8_lossy(&output.stderr)).into_owned())
    }

    /// What a command inside a container of a pod prints.
    pub fn exec(&self, namespace: &str, pod: &str, words: &[&str]) -> Result<String> {
        said(&mut self.kubectl(["-n", namespace, "exec", pod, "--"].iter().chain(words)))
    }

    /// What a command prints that runs on `node1` itself.
    pub fn on_node(&self, words: &[&str]) -> Result<String> {
        self.on("node1", words)
    }

    /// The same on that node.
    pub fn on(&self, node: &str, words: &[&str]) -> Result<String> {
        said(self.script("cluster").args(["enter", node]).args(words))
    }

    /// What the node's agent answers to `entropool VERB…`.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        let program = binary::entropool()?;
        let program = program.to_str().context("a path in UTF-8")?;
        self.on_node(&[&[program, "--api", "/run/entropool/api.sock"], words].concat())
    }

    /// Waits until `kubectl` prints something that holds `wanted`, and gives all of it.
    pub fn until_said(&self, words: &str, wanted: &str) -> Result<String> {
        let mut last = String::new();
        for _ in 0..LOOKS {
            match self.said(words) {
                Ok(said) if said.contains(wanted) => return Ok(said),
                Ok(said) => last = said,
                Err(error) => last = format!("{error:#}"),
            }
            thread::sleep(LOOK);
        }
        bail!("kubectl {words} never said {wanted:?}; at last it said:\n{last}")
    }

    /// Waits until `look` finds something.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        let mut last = None;
        for _ in 0..LOOKS {
            match look(self) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            thread::sleep(LOOK);
        }
        bail!("there never was {what}; the last error: {last:?}")
    }

    /// Has as many controllers, and waits until there are so many.
    pub fn scale_controller(&self, replicas: u32) -> Result<()> {
        const SYSTEM: &str = "-n entropool-system";
        self.said(&format!("{SYSTEM} scale deployment entropool-controller --replicas={replicas}"))?;
        if replicas == 0 {
            let pods = "pod -l app.kubernetes.io/component=controller";
            self.said(&format!("{SYSTEM} wait {pods} --for=delete --timeout=120s"))?;
        }
        self.said(&format!("{SYSTEM} rollout status deployment/entropool-controller --timeout=120s"))
            .map(drop)
    }

    fn script(&self, name: &str) -> Command {
        script(&self.state, name)
    }
}

fn guard(state: &Path) -> Result<Guard> {
    let mut guard = script(state, "cluster")
        .arg("guard")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // Ctrl-C goes to a group of processes; the guard has to outlive it.
        .process_group(0)
        .spawn()?;
    let alive = guard.stdin.take().context("standard input is a pipe")?;
    Ok((alive, guard))
}

/// The directory of all programs that are installed.
fn build() -> Result<PathBuf> {
    for program in [binary::entropool, binary::controller, binary::hook] {
        program()?;
    }
    Ok(binary::agent()?.parent().context("a program lies in a directory")?.to_owned())
}

fn script(state: &Path, name: &str) -> Command {
    let mut command = Command::new(in_repository("tests/cluster").join(name));
    command.env("ENTROPOOL_CLUSTER", state);
    command
}
