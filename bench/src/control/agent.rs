//! One simulated agent: the real half of the conversation on a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use codec::Bytes;
use delivery::subscriber::{SubscriberTask, SubscriptionPhase};
use delivery::{AgentSubscription, FromAgent, ReportDebouncer, ResourceSet, Subscriber, Tick};
use hyper_util::rt::TokioIo;
use prost::Message;
use proto::delivery as wire;
use proto::delivery::delivery_client::DeliveryClient;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Uri};
use tonic::{Request, Streaming};
use tower::service_fn;

use super::counted::Counted;
use super::fleet::{Ack, Shared, node_state};
use super::objects::node_name;

/// Messages of one agent that wait to be sent.
const WAITING: usize = 64;

/// One agent.
pub(crate) struct Agent {
    number: usize,
    shared: Arc<Shared>,
    subscriber: Subscriber<Bytes>,
    stream: Option<Stream>,
    reporter: ReportDebouncer,
    vms: watch::Receiver<usize>,
    /// What was said on the stream that is open.
    told: Option<usize>,
    in_step: bool,
    /// Of updates on the stream that is open.
    update_bytes: u64,
}

struct Stream {
    outgoing: mpsc::Sender<wire::FromAgent>,
    incoming: Streaming<wire::FromController>,
}

impl Agent {
    /// That holds nothing yet.
    pub(crate) fn new(number: usize, shared: Arc<Shared>) -> Self {
        let about = AgentSubscription {
            node: node_name(number),
            agent_version: "bench".to_owned(),
            capabilities: vec!["move".to_owned()],
            ..AgentSubscription::default()
        };
        // Any numbers that differ.
        let seed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let held = Arc::new(ResourceSet::default());
        let subscriber = Subscriber::new(shared.now(), about, held, delivery::Version::default(), seed);
        let (vms, reporter) = (shared.vms.subscribe(), ReportDebouncer::default());
        Self {
            number,
            shared,
            subscriber,
            stream: None,
            reporter,
            vms,
            told: None,
            in_step: false,
            update_bytes: 0,
        }
    }

    /// Lives until the end of the program.
    pub(crate) async fn live(mut self) {
        loop {
            while let Some(task) = self.subscriber.poll(self.shared.now()) {
                self.act(task).await;
            }
            self.tell();
            self.report();
            self.wait().await;
        }
    }

    async fn act(&mut self, task: SubscriberTask<Bytes>) {
        match task {
            SubscriberTask::Connect => self.connect().await,
            SubscriberTask::Send(message) => {
                let acked = matches!(message, FromAgent::Ack { .. });
                self.send(message);
                if acked {
                    let (at, agent, bytes) = (Instant::now(), self.number, self.update_bytes);
                    let mut seen = self.subscriber.version().seen();
                    let classes = seen.find(|(kind, _)| *kind == delivery::WatchedKind::CLASSES);
                    let classes = classes.map_or(0, |(_, version)| version);
                    // Whoever counts may have seen enough.
                    let _ = self.shared.acks.send(Ack { agent, at, classes, bytes });
                }
            }
            SubscriberTask::Apply(_) => self.subscriber.applied(Ok(Vec::new())),
            SubscriberTask::Authenticate => {
                self.send(FromAgent::Token(delivery::BearerToken::new(self.number.to_string())));
            }
            SubscriberTask::Disconnect => self.stream = None,
            SubscriberTask::Persist | SubscriberTask::Move(_) | SubscriberTask::ConfigRolledBack { .. } => {}
        }
    }

    async fn connect(&mut self) {
        let opened = {
            let _turn = self.shared.attempts.acquire().await;
            open(self.number, &self.shared).await
        };
        if let Ok(stream) = opened {
            (self.stream, self.update_bytes, self.told) = (Some(stream), 0, None);
            self.reporter.reset();
            self.subscriber.connected(self.shared.now());
        } else {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
            self.subscriber.disconnected(self.shared.now());
        }
    }

    fn send(&mut self, message: FromAgent) {
        let sent = |stream: &Stream| stream.outgoing.try_send(codec::agent::to_proto(message)).is_ok();
        if self.stream.as_ref().is_some_and(|stream| !sent(stream)) {
            self.lost();
        }
    }

    fn lost(&mut self) {
        self.stream = None;
        self.subscriber.disconnected(self.shared.now());
    }

    /// One more or one less is in step.
    fn tell(&mut self) {
        let in_step = self.subscriber.phase() == SubscriptionPhase::Synced;
        if in_step != std::mem::replace(&mut self.in_step, in_step) {
            self.shared.in_step.send_modify(|count| if in_step { *count += 1 } else { *count -= 1 });
        }
    }

    fn report(&mut self) {
        let vms = *self.vms.borrow_and_update();
        if self.stream.is_none() || self.told == Some(vms) {
            return;
        }
        if let Some(report) = self.reporter.report(self.shared.now(), &node_state(self.number, vms)) {
            self.told = Some(vms);
            self.send(FromAgent::Report(report));
        }
    }

    async fn wait(&mut self) {
        let now = self.shared.now();
        let untold = self.stream.is_some() && self.told != Some(*self.vms.borrow());
        let pending = untold.then(|| self.reporter.wake_at()).flatten();
        let next = [self.subscriber.wake_at(), pending].into_iter().flatten().min();
        let due = next.map(|at| Duration::from_nanos(at.since(now)));
        let due = async move {
            match due {
                Some(due) => tokio::time::sleep(due).await,
                None => std::future::pending().await,
            }
        };
        let heard = async {
            match &mut self.stream {
                Some(stream) => stream.incoming.message().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = heard => match heard {
                Ok(Some(message)) => self.hear(message),
                Ok(None) | Err(_) => self.lost(),
            },
            () = due => {}
            _ = self.vms.changed() => {}
        }
    }

    fn hear(&mut self, message: wire::FromController) {
        let length = message.encoded_len() as u64;
        self.shared.updates.fetch_add(1, Ordering::Relaxed);
        self.shared.update_bytes.fetch_add(length, Ordering::Relaxed);
        self.update_bytes += length;
        if let Ok(message) = codec::controller::from_proto(message) {
            self.subscriber.handle(self.shared.now(), message);
        }
    }
}

async fn open(number: usize, shared: &Shared) -> Result<Stream> {
    let (outgoing, waiting) = mpsc::channel(WAITING);
    let mut request = Request::new(ReceiverStream::new(waiting));
    request.metadata_mut().insert("authorization", format!("Bearer {number}").parse()?);
    let config = Arc::clone(&shared.tls);
    let (address, received) = (shared.controller, Arc::clone(&shared.received));
    let dial = move |_: Uri| {
        let (config, received) = (Arc::clone(&config), Arc::clone(&received));
        async move { secure(address, config, received).await }
    };
    let endpoint = Endpoint::from_static("http://controller");
    let channel = endpoint.connect_with_connector(service_fn(dial));
    let answered =
        async { DeliveryClient::new(channel.await?).subscribe(request).await.context("no stream") };
    let incoming = tokio::time::timeout(Duration::from_secs(5), answered).await??.into_inner();
    Ok(Stream { outgoing, incoming })
}

async fn secure(
    address: std::net::SocketAddr,
    config: Arc<ClientConfig>,
    received: Arc<AtomicU64>,
) -> std::io::Result<TokioIo<tokio_rustls::client::TlsStream<Counted>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(address.ip());
    Ok(TokioIo::new(TlsConnector::from(config).connect(name, Counted::new(stream, received)).await?))
}

/// A tick of the time since the program began.
pub(crate) fn tick(since: Instant) -> Tick {
    Tick(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX))
}
