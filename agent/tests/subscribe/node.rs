//! The real program on a node of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use hyper_util::rt::TokioIo;
use proto::local::local_client::LocalClient;
use proto::local::{AttachRequest, Vm};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::replica::{PATIENCE, TOKEN};

/// Directories, a token and a CA bundle.
pub(crate) struct Host(TempDir);

/// A running agent; dropped, it is killed.
pub(crate) struct Node<'a> {
    host: &'a Host,
    child: Child,
    log: Receiver<String>,
}

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self(TempDir::with_prefix("entropool-").unwrap());
        std::fs::write(host.token(), format!("{TOKEN}\n")).unwrap();
        host
    }

    pub(crate) fn token(&self) -> PathBuf {
        self.0.path().join("token")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.0.path().join("ca.crt")
    }

    fn command(&self, controller: &str) -> Command {
        let at = |name: &str| self.0.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_entropool-agent"));
        command.args(["--node", "node-1", "--controller", controller]);
        command.arg("--token-file").arg(self.token()).arg("--ca-file").arg(self.ca());
        command.arg("--run-dir").arg(at("run")).arg("--state-dir").arg(at("state"));
        command.env_remove("ENTROPOOL_LOG").env("ENTROPOOL_LOG_FORMAT", "text");
        command
    }

    pub(crate) fn start(&self, controller: &str) -> Node<'_> {
        let mut command = self.command(controller);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (say, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(say.send(line)));
        });
        let node = Node { host: self, child, log };
        node.says("ready");
        node
    }
}

impl Node<'_> {
    /// Waits for a line of its log, and gives it.
    pub(crate) fn says(&self, text: &str) -> String {
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

    /// Gives a VM its socket.
    pub(crate) fn attach(&self, id: &str, class: &str) -> Result<PathBuf, String> {
        let request = AttachRequest {
            name: id.to_owned(),
            namespace: "shop".to_owned(),
            pool: "default".to_owned(),
            class: class.to_owned(),
            client: proto::local::Client::Egd.into(),
        };
        let answer = self.ask(async |mut client| client.attach(request).await);
        answer.map(|answer| answer.into_inner().socket.into()).map_err(|status| status.message().to_owned())
    }

    /// The VMs it has.
    pub(crate) fn vms(&self) -> Vec<Vm> {
        let request = proto::local::ListVmsRequest::default();
        self.ask(async |mut client| client.list_vms(request).await).unwrap().into_inner().vms
    }

    /// Draws so many bytes of a VM's socket.
    pub(crate) fn draw(&self, id: &str, bytes: u8) -> Vec<u8> {
        let socket = self.host.0.path().join("run/vm").join(id).join("egd.sock");
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[2, bytes]).unwrap();
        let mut drawn = vec![0; bytes.into()];
        stream.read_exact(&mut drawn).unwrap();
        drawn
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.says("stopped");
        assert!(self.child.wait().unwrap().success());
    }

    fn ask<T>(&self, call: impl AsyncFnOnce(LocalClient<Channel>) -> T) -> T {
        let socket = self.host.0.path().join("run/api.sock");
        let dial = move |_: Uri| {
            let socket = socket.clone();
            async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
        };
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let endpoint = Endpoint::from_static("http://localhost").timeout(PATIENCE);
            let channel = endpoint.connect_with_connector(service_fn(dial)).await.unwrap();
            call(LocalClient::new(channel)).await
        })
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
