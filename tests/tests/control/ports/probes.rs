//! The probes that a kubelet makes of the chart's pods, at programs that run without one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use entropool_tests::binary;
use entropool_tests::cluster::rendered;
use serde_json::Value;

/// What a probe asks, as the pod's spec says.
#[derive(Clone, Debug)]
enum Action {
    Get { address: SocketAddr, path: String },
    Exec(PathBuf),
}

/// A probe of a container.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    name: String,
    action: Action,
    timeout: Duration,
}

/// The ports of a container, by the names that the chart gives them.
pub(super) struct Container {
    pub(super) template: &'static str,
    pub(super) ports: Vec<(&'static str, SocketAddr)>,
    /// What the chart mounts at `/run/entropool-pod`.
    pub(super) pod_dir: PathBuf,
}

impl Container {
    /// The chart's container.
    fn spec(&self) -> Value {
        let text = rendered(&["--show-only", self.template]).unwrap();
        let objects = text.split("\n---\n").map(|text| serde_yaml::from_str::<Value>(text).unwrap());
        let found = objects
            .filter_map(|object| object.pointer("/spec/template/spec/containers/0").cloned())
            .collect::<Vec<_>>();
        let [container] = &found[..] else { panic!("{}: {found:?}", self.template) };
        container.clone()
    }

    /// All ports of the chart's container, none of which may be missing here.
    pub(super) fn ports(&self) -> Vec<(&'static str, SocketAddr)> {
        let spec = self.spec();
        let names = spec["ports"].as_array().unwrap().iter().map(|port| port["name"].as_str().unwrap());
        names.map(|name| *self.ports.iter().find(|(own, _)| *own == name).expect(name)).collect()
    }

    pub(super) fn probes(&self) -> Vec<Probe> {
        let spec = self.spec();
        let kinds = ["livenessProbe", "readinessProbe"];
        kinds.map(|kind| self.probe(&format!("{}: {kind}", self.template), &spec[kind])).into()
    }

    fn probe(&self, name: &str, spec: &Value) -> Probe {
        let action = if let Some(get) = spec.get("httpGet") {
            let port = get["port"].as_str().unwrap();
            let (_, address) = self.ports.iter().find(|(own, _)| *own == port).expect(port);
            Action::Get { address: *address, path: get["path"].as_str().unwrap().to_owned() }
        } else {
            let [program, word, socket] = &spec["exec"]["command"].as_array().unwrap()[..] else {
                panic!("{spec}")
            };
            assert_eq!((program.as_str(), word.as_str()), (Some("/entropool-agent"), Some("probe")));
            let socket = socket.as_str().unwrap().strip_prefix("/run/entropool-pod/").unwrap();
            Action::Exec(self.pod_dir.join(socket))
        };
        let timeout = spec["timeoutSeconds"].as_u64().unwrap_or(1);
        Probe { name: name.to_owned(), action, timeout: Duration::from_secs(timeout) }
    }
}

impl Probe {
    /// Makes the probe; an error is what the kubelet would put into an Event.
    pub(super) fn make(&self) -> Result<(), String> {
        let from = Instant::now();
        let made = match &self.action {
            Action::Get { address, path } => get(*address, path, self.timeout),
            Action::Exec(socket) => exec(socket),
        };
        let took = from.elapsed();
        let failed = |error: &dyn std::fmt::Display| Err(format!("{} after {took:?}: {error}", self.name));
        match made {
            Ok(()) if took > self.timeout => failed(&"time-out"),
            Ok(()) => Ok(()),
            Err(error) => failed(&error),
        }
    }
}

/// As the kubelet asks: a connection of its own, and a success is any status from 200 to 399.
fn get(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe/1.30\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..400) => Ok(()),
        _ => Err(io::Error::new(ErrorKind::InvalidData, format!("{answer:?}"))),
    }
}

fn exec(socket: &std::path::Path) -> io::Result<()> {
    let program = binary::agent().map_err(io::Error::other)?;
    let status = Command::new(program).arg("probe").arg(socket).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}
