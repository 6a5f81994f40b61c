//! A node's agent as a process, which proves who it is as one in a pod does.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::ApiServer;
use super::controller::NAMESPACE;
use crate::binary;

const AUDIENCE: &str = "controller.entropool.io";
const LOOK: Duration = Duration::from_millis(100);

/// The agent of one node. Dropped, it is killed.
pub struct Agent {
    child: Child,
    dir: TempDir,
    node: String,
    /// The address it calls.
    controller: String,
    /// Whether it is the driver of a kubelet.
    kubelet: bool,
}

impl ApiServer {
    /// Makes a node, and the agent's pod on it. There is no kubelet: nothing runs because of it.
    pub fn add_node(&self, node: &str) -> Result<()> {
        let node = format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {node}}}\n---\n{}", pod(node));
        let made = self.feed(["apply", "--server-side", "--filename=-"], &node)?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }

    /// The token that the kubelet would give to the agent's pod on that node.
    pub fn agent_token(&self, node: &str) -> Result<String> {
        let pod = format!("--bound-object-name=entropool-agent-{node}");
        let namespace = format!("--namespace={NAMESPACE}");
        let audience = format!("--audience={AUDIENCE}");
        let words = ["create", "token", "entropool-agent", "--bound-object-kind=Pod"];
        self.said(words.iter().copied().chain([&*pod, &*namespace, &*audience]))
    }

    /// What the controller's certificate is signed with, in PEM.
    pub fn controllers_authority(&self) -> Result<String> {
        let namespace = format!("--namespace={NAMESPACE}");
        let path = r"--output=jsonpath={.data.ca\.crt}";
        self.said(["get", "configmap", "entropool-ca", &namespace, path])
    }
}

fn pod(node: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: entropool-agent-{node}, namespace: {NAMESPACE}}}\nspec:\n  \
         nodeName: {node}\n  serviceAccountName: entropool-agent\n  containers:\n  - {{name: agent, image: none}}\n"
    )
}

impl Agent {
    /// Starts the agent of a node, which is made if it is not there, and returns when it is connected.
    pub fn start(api: &ApiServer, controller: SocketAddr, node: &str) -> Result<Self> {
        Self::start_by(api, format!("https://{controller}"), node, false)
    }

    /// The same where there is a kubelet's directory, and no kubelet; `controller` as a user writes it.
    pub fn start_with_kubelet(api: &ApiServer, controller: &str, node: &str) -> Result<Self> {
        Self::start_by(api, controller.to_owned(), node, true)
    }

    /// The same where whoever listens at a loopback address is believed.
    pub fn start_in_clear(api: &ApiServer, controller: SocketAddr, node: &str) -> Result<Self> {
        Self::start_by(api, format!("http://{controller}"), node, false)
    }

    fn start_by(api: &ApiServer, controller: String, node: &str, kubelet: bool) -> Result<Self> {
        api.add_node(node)?;
        let dir = TempDir::with_prefix("entropool-agent-")?;
        prepare(api, dir.path(), node)?;
        let child = spawn(dir.path(), &controller, node, kubelet)?;
        let mut agent = Self { child, dir, node: node.to_owned(), controller, kubelet };
        agent.wait_for_log("subscribed")?;
        Ok(agent)
    }

    /// Starts an agent that has nothing but a controller to call, by that token, and who may sign for it.
    pub fn alone(controller: SocketAddr, node: &str, token: &str, authority: &str) -> Result<Self> {
        let dir = TempDir::with_prefix("entropool-agent-")?;
        fs::write(dir.path().join("token"), token)?;
        fs::write(dir.path().join("ca.crt"), authority)?;
        let controller = format!("https://{controller}");
        let child = spawn(dir.path(), &controller, node, false)?;
        Ok(Self { child, dir, node: node.to_owned(), controller, kubelet: false })
    }

    /// Starts it again after a crash, in the directories it had.
    pub fn crash(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(self.dir.path(), &self.controller, &self.node, self.kubelet)?;
        Ok(())
    }

    /// Reads token and authority anew, as the kubelet does for a pod: a cluster that was made anew has others.
    pub fn renew_trust(&self, api: &ApiServer) -> Result<()> {
        api.add_node(&self.node)?;
        prepare(api, self.dir.path(), &self.node)
    }

    /// The name of its node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Where the kubelet of its node keeps its state.
    pub fn kubelet_dir(&self) -> PathBuf {
        self.dir.path().join("kubelet")
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits until its log has these words.
    pub fn wait_for_log(&mut self, words: &str) -> Result<()> {
        self.wait_for_log_for(words, 600)
    }

    /// The same with so many looks, ten a second.
    pub fn wait_for_log_for(&mut self, words: &str, looks: u32) -> Result<()> {
        for _ in 0..looks {
            if self.log().contains(words) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the agent of {} ended with {status}:\n{}", self.node, self.log());
            }
            thread::sleep(LOOK);
        }
        bail!("the agent of {} never logged {words:?}:\n{}", self.node, self.log())
    }

    /// What a verb of `entropool` that asks this agent prints.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        let Output { status, stdout, stderr } = Command::new(binary::entropool()?)
            .arg("--api")
            .arg(self.dir.path().join("run/api.sock"))
            .args(words)
            .output()?;
        ensure!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8(stdout)?)
    }

    /// Where a VM of that name finds its socket.
    pub fn socket(&self, vm: &str) -> PathBuf {
        self.dir.path().join("run/vm").join(vm).join("egd.sock")
    }

    /// Waits until what it keeps on disk names a VM. It is written a moment after the VM was attached.
    pub fn wait_until_kept(&self, vm: &str) -> Result<()> {
        // A file under another name is still being written.
        let is_slot = |path: &PathBuf| path.extension().is_some_and(|slot| slot == "a" || slot == "b");
        let names_it = |path: PathBuf| {
            is_slot(&path)
                && fs::read(path)
                    .is_ok_and(|kept| String::from_utf8_lossy(&kept).contains(&format!("\"{vm}\"")))
        };
        for _ in 0..600 {
            let kept = fs::read_dir(self.dir.path().join("state"))?;
            if kept.filter_map(Result::ok).any(|file| names_it(file.path())) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("the agent of {} never keeps {vm}:\n{}", self.node, self.log())
    }

    /// The rate at which it runs a class, as `entropool classes` shows it; nothing where it has no such class.
    pub fn rate_of(&self, class: &str) -> Result<Option<String>> {
        let table = self.ask(&["classes"])?;
        let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut line = lines.filter(|words| words.get(1) == Some(&class));
        let rate = |words: Vec<&str>| {
            words.iter().skip(2).find(|it| !it.starts_with('(')).map(|it| (*it).to_owned())
        };
        Ok(line.next().and_then(rate))
    }

    /// Waits until it runs a class at a rate.
    pub fn wait_for_rate(&self, class: &str, rate: &str) -> Result<()> {
        for _ in 0..600 {
            if self.rate_of(class)?.as_deref() == Some(rate) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("the agent of {} does not run {class} at {rate}:\n{}", self.node, self.ask(&["classes"])?)
    }

    /// Asks until the answer has these words.
    pub fn wait_for(&self, words: &[&str], text: &str) -> Result<String> {
        let mut last = String::new();
        for _ in 0..300 {
            last = self.ask(words)?;
            if last.contains(text) {
                return Ok(last);
            }
            thread::sleep(LOOK);
        }
        bail!("the agent of {} does not answer {text:?} to {words:?}, but:\n{last}", self.node)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the log of the agent of {}:\n{}", self.node, self.log());
        }
    }
}

/// What the kubelet gives to a pod.
fn prepare(api: &ApiServer, dir: &Path, node: &str) -> Result<()> {
    fs::write(dir.join("token"), api.agent_token(node)?.trim_end())?;
    Ok(fs::write(dir.join("ca.crt"), api.controllers_authority()?)?)
}

fn spawn(dir: &Path, controller: &str, node: &str, kubelet: bool) -> Result<Child> {
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    let kubelet = kubelet.then(|| dir.join("kubelet"));
    for directory in kubelet.iter().flat_map(|it| [it.join("pods"), it.join("plugins_registry")]) {
        fs::create_dir_all(directory)?;
    }
    Command::new(binary::agent()?)
        .env_clear()
        .args(kubelet.iter().flat_map(|it| ["--kubelet-dir".as_ref(), it.as_os_str()]))
        .args(["--node", node, "--controller", controller, "--allow-test-sources"])
        .arg("--token-file")
        .arg(dir.join("token"))
        .arg("--ca-file")
        .arg(dir.join("ca.crt"))
        .arg("--run-dir")
        .arg(dir.join("run"))
        .arg("--state-dir")
        .arg(dir.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("the agent does not start")
}
