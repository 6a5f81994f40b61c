//! What all agents share, and what is counted of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use anyhow::Result;
use delivery::{AgentState, NodeState, Tick, VmReport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Semaphore, mpsc, watch};

use super::agent::{Agent, tick};
use super::objects::class_name;

const AT_ONCE: usize = 128;

/// An update that is in effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) agent: usize,
    pub(crate) at: Instant,
    /// The newest version of classes that it was made from.
    pub(crate) classes: u64,
    /// Of updates on its stream so far, as messages.
    pub(crate) bytes: u64,
}

/// Shared by all agents.
pub(crate) struct Shared {
    pub(crate) controller: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) acks: mpsc::UnboundedSender<Ack>,
    /// Bytes on the wire, from the controller.
    pub(crate) received: Arc<AtomicU64>,
    /// Messages of the controller.
    pub(crate) updates: AtomicU64,
    /// Their bytes.
    pub(crate) update_bytes: AtomicU64,
    /// Attempts to connect that failed.
    pub(crate) failed: AtomicU64,
    /// Agents that run what they should.
    pub(crate) in_step: watch::Sender<usize>,
    /// VMs of each.
    pub(crate) vms: watch::Sender<usize>,
    /// Attempts to connect at a time: agents have a processor each, and ours share one. Who started with all others would
    /// wait for that until its time is over.
    pub(crate) attempts: Semaphore,
    began: Instant,
}

impl Shared {
    /// For agents of the controller at that address, which they know by its authority.
    pub(crate) fn new(
        controller: SocketAddr,
        authority: &str,
        vms: usize,
    ) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<Ack>)> {
        let (acks, received) = mpsc::unbounded_channel();
        let shared = Self {
            controller,
            tls: tls(authority)?,
            acks,
            received: Arc::default(),
            updates: AtomicU64::new(0),
            update_bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            in_step: watch::Sender::new(0),
            vms: watch::Sender::new(vms),
            attempts: Semaphore::new(AT_ONCE),
            began: Instant::now(),
        };
        Ok((Arc::new(shared), received))
    }

    /// The time that the conversation goes by.
    pub(crate) fn now(&self) -> Tick {
        tick(self.began)
    }

    /// Lets so many agents live.
    pub(crate) fn start(self: &Arc<Self>, agents: usize) {
        for number in 0..agents {
            tokio::spawn(Agent::new(number, Arc::clone(self)).live());
        }
    }
}

/// What an agent with so many VMs has to say.
pub(crate) fn node_state(agent: usize, vms: usize) -> NodeState {
    let vm = |number: usize| {
        let vm =
            VmReport { pool: "default".to_owned(), class: class_name(number % 10), ..VmReport::default() };
        (format!("{agent:08}-0000-0000-0000-{number:012}"), vm)
    };
    NodeState {
        agent: AgentState { ready: true, ..AgentState::default() },
        vms: (0..vms).map(vm).collect(),
        ..NodeState::default()
    }
}

fn tls(authority: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
