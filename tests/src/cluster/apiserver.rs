//! A kube-apiserver with its etcd.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tempfile::TempDir;

use super::audit::{self, Call};
use super::tools::{in_repository, programs, said};

const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(200);

/// A real API server on a loopback address of its own: RBAC is on, every call is in its audit log.
///
/// It has no controllers and no nodes: objects are stored, checked and watched, and nothing comes of
/// them by itself. So a namespace has no `default` service account until a test makes one.
pub struct ApiServer {
    programs: &'static Path,
    dir: PathBuf,
    /// The end of this pipe ends everything, also when the test is killed. Never written to.
    _alive: ChildStdin,
    _guard: Child,
}

/// A process of an [`ApiServer`].
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// The store.
    Etcd,
    /// The server.
    KubeApiserver,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
        }
    }
}

impl ApiServer {
    /// The one that all tests of this process use; each works with names of its own in it.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<ApiServer, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        shared.as_ref().map_err(|sentence| Error::msg(sentence.clone()))
    }

    /// One for a test that breaks it; ready when this returns.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let dir = TempDir::with_prefix("entropool-apiserver-")?.keep();
        // Before anything runs, so that nothing can be left over.
        let mut guard = script("guard")
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C goes to a group of processes; the guard has to outlive it.
            .process_group(0)
            .spawn()?;
        let alive = guard.stdin.take().context("standard input is a pipe")?;
        said(script("up").arg(&dir))?;
        Ok(Self { programs, dir, _alive: alive, _guard: guard })
    }

    /// The kubeconfig of somebody who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.conf")
    }

    /// The kubeconfig of a user who may do what is granted to `name` or `group`, and nothing else.
    pub fn user(&self, name: &str, group: &str) -> Result<PathBuf> {
        let path = said(script("user").args([name, group]).arg(&self.dir))?;
        Ok(PathBuf::from(path.trim_end()))
    }

    /// A client with all rights, for the runtime that asks.
    pub async fn client(&self) -> Result<Client> {
        self.client_as(&self.kubeconfig()).await
    }

    /// A client with the rights of one kubeconfig.
    pub async fn client_as(&self, kubeconfig: &Path) -> Result<Client> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Where it listens.
    pub fn url(&self) -> Result<String> {
        Ok(format!("https://{}:6443", fs::read_to_string(self.dir.join("address"))?.trim_end()))
    }

    /// The certificate that its own is signed with, in PEM.
    pub fn authority(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.dir.join("pki/ca.crt"))?)
    }

    /// The private key that it signs tokens of service accounts with, in PEM.
    pub fn accounts_key(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.dir.join("pki/accounts.key"))?)
    }

    /// `kubectl` with all rights.
    pub fn kubectl(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.kubectl_as(&self.kubeconfig(), words)
    }

    /// `kubectl` with the rights of one kubeconfig.
    pub fn kubectl_as(
        &self,
        kubeconfig: &Path,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let mut command = Command::new(self.programs.join("kubectl"));
        // Nothing of the caller's own clusters: neither a context nor a cache.
        command.env("KUBECONFIG", kubeconfig).env("HOME", &self.dir).args(words);
        command
    }

    /// What `kubectl` prints; an error when it fails.
    pub fn said(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        said(&mut self.kubectl(words))
    }

    /// Runs `kubectl` with all rights and `text` as its standard input.
    pub fn feed(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>, text: &str) -> Result<Output> {
        let mut child = self
            .kubectl(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("standard input is a pipe")?;
        stdin.write_all(text.as_bytes())?;
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// Applies manifests, server-side, and waits until the kinds among them are served.
    pub fn apply(&self, path: &Path) -> Result<()> {
        self.said(["apply", "--server-side", "-f", &path.display().to_string()])?;
        Ok(())
    }

    /// Installs the two kinds as `deploy/crds` has them.
    pub fn install_kinds(&self) -> Result<()> {
        self.apply(&in_repository("deploy/crds"))?;
        self.until_established(&["crd/entropypools.entropool.io", "crd/entropyclasses.entropool.io"])
    }

    /// Waits until kinds are served.
    pub fn until_established(&self, kinds: &[&str]) -> Result<()> {
        let wait = ["wait", "--for=condition=Established", "--timeout=30s"];
        let mut waited = self.said(wait.iter().chain(kinds));
        // A kind that is not a moment old has no conditions at all, which kubectl takes for a mistake.
        for _ in 0..LOOKS {
            if waited.is_ok() {
                break;
            }
            thread::sleep(LOOK);
            waited = self.said(wait.iter().chain(kinds));
        }
        waited.map(drop)
    }

    /// Every call that was answered so far, in the order of the answers.
    pub fn calls(&self) -> Result<Vec<Call>> {
        audit::read(&self.dir.join("log/audit.log"))
    }

    /// Ends a part as a crash does.
    pub fn kill(&self, part: Part) -> Result<()> {
        said(script("kill").arg(part.name()).arg(&self.dir)).map(drop)
    }

    /// Starts a part again, and waits until it serves.
    pub fn restart(&self, part: Part) -> Result<()> {
        said(script("start").arg(part.name()).arg(&self.dir)).map(drop)
    }

    /// Takes a snapshot of all that is stored.
    pub fn save(&self, file: &Path) -> Result<()> {
        said(script("save").arg(file).arg(&self.dir)).map(drop)
    }

    /// Goes back to a snapshot: what was written since is gone, and revisions are used a second time.
    pub fn restore(&self, file: &Path) -> Result<()> {
        said(script("restore").arg(file).arg(&self.dir)).map(drop)
    }

    /// Makes the store older by so many revisions, as months of use do.
    pub fn age(&self, revisions: u32) -> Result<()> {
        said(script("age").arg(revisions.to_string()).arg(&self.dir)).map(drop)
    }

    /// Forgets the past of the store up to now: a watch that starts there is told 410.
    pub fn compact(&self) -> Result<()> {
        said(script("compact").arg(&self.dir)).map(drop)
    }
}

fn script(verb: &str) -> Command {
    let mut command = Command::new(in_repository("tests/cluster/apiserver"));
    command.arg(verb);
    command
}
