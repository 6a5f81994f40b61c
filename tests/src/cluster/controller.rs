//! The controller as a process, with the rights that are shipped and no others.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::tools::in_repository;
use super::{ApiProxy, ApiServer, programs};
use crate::binary;

/// Where the controller, its Lease and the agents' account are.
pub const NAMESPACE: &str = "entropool-system";
/// The image of a VM's hook sidecar.
pub const HOOK_IMAGE: &str = "registry.test/entropool/agent:1";
/// Its requests and limits.
const HOOK_RESOURCES: &str =
    r#"{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"64Mi"}}"#;
/// Who it is to the API server.
pub const CONTROLLER_USER: &str = "system:serviceaccount:entropool-system:entropool-controller";
const LOOK: Duration = Duration::from_millis(50);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A replica.
pub struct Controller {
    child: Child,
    dir: TempDir,
    name: String,
    /// Where agents connect.
    pub agents: SocketAddr,
    /// Where health and metrics are.
    pub http: SocketAddr,
    /// Where the API server asks about VMs.
    pub webhooks: SocketAddr,
}

impl ApiServer {
    /// Makes the namespace, the accounts and the rights, as `deploy/rbac` has them.
    pub fn install_rights(&self) -> Result<()> {
        let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n");
        let made = self.feed(["apply", "--server-side", "-f", "-"], &namespace)?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.apply(&in_repository("deploy/rbac"))
    }
}

impl Controller {
    /// Starts a replica of that name, and returns when it is ready to serve.
    pub fn start(api: &ApiServer, name: &str) -> Result<Self> {
        Self::start_at(name, &rights(api)?, None, LOOPBACK)
    }

    /// Starts a replica that listens at an address of IPv6.
    pub fn start_on_ipv6(api: &ApiServer, name: &str) -> Result<Self> {
        Self::start_at(name, &rights(api)?, None, Ipv6Addr::LOCALHOST.into())
    }

    /// Starts a replica that shows the certificate in a directory.
    pub fn start_with_certificate(api: &ApiServer, name: &str, directory: &Path) -> Result<Self> {
        Self::start_at(name, &rights(api)?, Some(directory), LOOPBACK)
    }

    /// Starts a replica that calls the API server through a front of it.
    pub fn start_behind(front: &ApiProxy, name: &str) -> Result<Self> {
        Self::start_at(name, &front.kubeconfig(), None, LOOPBACK)
    }

    /// Does one of the controller's errands, and returns its log.
    pub fn errand(api: &ApiServer, words: &[&str]) -> Result<String> {
        let Output { status, stderr, .. } = command(&rights(api)?)?.args(words).output()?;
        let log = String::from_utf8(stderr)?;
        ensure!(status.success(), "{words:?}: {log}");
        Ok(log)
    }

    fn start_at(name: &str, kubeconfig: &Path, certificate: Option<&Path>, host: IpAddr) -> Result<Self> {
        let (agents, http, webhooks) = (free(host)?, free(host)?, free(host)?);
        let dir = TempDir::with_prefix("entropool-controller-")?;
        let log = File::create(dir.path().join("log"))?;
        let own = certificate.map(|directory| ["--tls-dir".as_ref(), directory.as_os_str()]);
        let child = command(kubeconfig)?
            .args(own.into_iter().flatten())
            .args(["--name", name, "--tls-name", &host.to_string()])
            .args(["--listen", &agents.to_string(), "--http", &http.to_string()])
            .args(["--webhooks", &webhooks.to_string(), "--hook-image", HOOK_IMAGE])
            .args(["--hook-resources", HOOK_RESOURCES])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("the controller does not start")?;
        let mut controller = Self { child, dir, name: name.to_owned(), agents, http, webhooks };
        controller.wait_until_ready()?;
        Ok(controller)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name in the Lease.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Ends it as Kubernetes does.
    pub fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        for _ in 0..400 {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the controller ended with {status}:\n{}", self.log());
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("the controller does not end:\n{}", self.log())
    }

    /// Ends it as a crash does.
    pub fn crash(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it a signal: one that stops it freezes the replica, one that goes on thaws it.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        Ok(kill_process(pid, signal)?)
    }

    /// The answer to `GET path`, and whether it is a success.
    pub fn get(&self, path: &str) -> Result<(bool, String)> {
        http_get(self.http, path)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..2_400 {
            if let Some(status) = self.child.try_wait()? {
                bail!("the controller ended with {status}:\n{}", self.log());
            }
            if self.get("/readyz").is_ok_and(|(ready, _)| ready) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!("the controller does not get ready: {:?}\n{}", self.get("/readyz"), self.log())
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the controller's log:\n{}", self.log());
        }
    }
}

/// The kubeconfig of the controller's account.
pub fn rights(api: &ApiServer) -> Result<PathBuf> {
    programs()?;
    api.user(CONTROLLER_USER, "system:serviceaccounts")
}

fn command(kubeconfig: &Path) -> Result<Command> {
    let mut command = Command::new(binary::controller()?);
    command.env_clear().env("ENTROPOOL_LOG", "info,controller=debug");
    command.arg("--kubeconfig").arg(kubeconfig).args(["--namespace", NAMESPACE]);
    Ok(command)
}

/// An address of ours that nobody listens at.
fn free(host: IpAddr) -> Result<SocketAddr> {
    Ok(TcpListener::bind((host, 0))?.local_addr()?)
}

/// A `GET` over plain HTTP.
pub(super) fn http_get(address: SocketAddr, path: &str) -> Result<(bool, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer in HTTP")?;
    Ok((head.starts_with("HTTP/1.1 200"), body.to_owned()))
}
