//! A controller of which only the stream is real: the controller's half of the conversation, over gRPC.

use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use codec::Bytes;
use delivery::publisher::{AckState, PublisherTask, ReviewOutcome};
use delivery::{Move, Nack, NodeConfig, Publisher, Report, ResourceSet, Tick, Version};
use proto::delivery as wire;
use proto::delivery::delivery_server::{Delivery, DeliveryServer};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const TOKEN: &str = "header.claims.signature";

/// What an agent did.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Opened,
    Stands(AckState),
    Reports(Report),
    Moved(Result<(), Nack>),
    Shown(String),
    Closed,
}

/// What every stream is to be told.
#[derive(Clone, Debug, Default)]
struct Orders {
    version: Version,
    content: Arc<ResourceSet<Bytes>>,
    order: Option<Move>,
}

pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    orders: watch::Sender<Orders>,
    heard: Receiver<Heard>,
}

struct Service {
    orders: watch::Receiver<Orders>,
    heard: Sender<Heard>,
}

impl Replica {
    pub(crate) fn start() -> Self {
        let (listener, address) = listen();
        let (orders, ordered) = watch::channel(Orders::default());
        let (tell, heard) = channel();
        let service = DeliveryServer::new(Service { orders: ordered, heard: tell });
        in_background(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let incoming = TcpListenerStream::new(listener);
            tonic::transport::Server::builder().serve_with_incoming(service, incoming).await.unwrap();
        });
        Self { address, orders, heard }
    }

    /// From now on nodes should run this.
    pub(crate) fn publish(&self, version: Version, config: &NodeConfig) {
        self.publish_encoded(version, codec::encode(config));
    }

    pub(crate) fn publish_encoded(&self, version: Version, content: ResourceSet<Bytes>) {
        self.orders.send_modify(|orders| {
            orders.version = version;
            orders.content = Arc::new(content);
        });
    }

    pub(crate) fn order(&self, order: Move) {
        self.orders.send_modify(|orders| orders.order = Some(order));
    }

    /// Waits until an agent does something of which `wanted` makes something.
    pub(crate) fn hear<T>(&self, mut wanted: impl FnMut(Heard) -> Option<T>) -> T {
        loop {
            let heard = self.heard.recv_timeout(PATIENCE).expect("an agent says what is awaited");
            if let Some(found) = wanted(heard) {
                return found;
            }
        }
    }

    /// Waits until the agent runs what it should.
    pub(crate) fn programmed(&self) {
        self.hear(|heard| (heard == Heard::Stands(AckState::Programmed)).then_some(()));
    }

    /// Whether anything is heard within that time.
    pub(crate) fn hears_nothing(&self, within: Duration) -> bool {
        self.heard.recv_timeout(within).is_err()
    }
}

#[tonic::async_trait]
impl Delivery for Service {
    type SubscribeStream = ReceiverStream<Result<wire::FromController, Status>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<wire::FromAgent>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let shown = shown.unwrap_or_default().to_owned();
        if shown != format!("Bearer {TOKEN}") {
            let _ = self.heard.send(Heard::Shown(shown));
            return Err(Status::unauthenticated("NotAuthenticated: no such token"));
        }
        let (outbox, receiver) = mpsc::channel(64);
        let _ = self.heard.send(Heard::Opened);
        let conversation = converse(self.orders.clone(), self.heard.clone(), request.into_inner(), outbox);
        tokio::spawn(conversation);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn converse(
    mut orders: watch::Receiver<Orders>,
    heard: Sender<Heard>,
    mut inbox: Streaming<wire::FromAgent>,
    outbox: mpsc::Sender<Result<wire::FromController, Status>>,
) {
    let mut publisher = Publisher::new(now(), "node-1");
    let mut standing = AckState::Unknown;
    orders.mark_changed();
    loop {
        while let Some(task) = publisher.poll(now()) {
            match task {
                PublisherTask::Send(message) => {
                    drop(outbox.try_send(Ok(codec::controller::to_proto(message))));
                }
                // What is published is all there is.
                PublisherTask::Relist(_) => publisher.listed(),
                PublisherTask::ReviewToken(token) => {
                    let _ = heard.send(Heard::Shown(token.reveal().to_owned()));
                    publisher.reviewed(now(), ReviewOutcome::Accepted);
                }
                PublisherTask::Report(report) => drop(heard.send(Heard::Reports(report))),
                PublisherTask::Moved { result, .. } => drop(heard.send(Heard::Moved(result))),
                PublisherTask::End(_) => return,
            }
        }
        let stands = publisher.ack_state();
        if stands != standing {
            standing = stands;
            let _ = heard.send(Heard::Stands(standing.clone()));
        }
        let wait = publisher.wake_at().map_or(PATIENCE, |at| Duration::from_nanos(at.since(now())));
        tokio::select! {
            message = inbox.message() => match message {
                Ok(Some(message)) => publisher.handle(now(), codec::agent::from_proto(message).unwrap()),
                Ok(None) | Err(_) => return drop(heard.send(Heard::Closed)),
            },
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
                let Orders { version, content, order } = orders.borrow_and_update().clone();
                publisher.publish(version, content);
                if let Some(order) = order {
                    publisher.move_vm(order);
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// A port of this machine.
pub(crate) fn listen() -> (Listener, SocketAddr) {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs on a thread that ends with the test.
pub(crate) fn in_background(work: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(|| Builder::new_current_thread().enable_all().build().unwrap().block_on(work));
}

fn now() -> Tick {
    Tick(dataplane::now().0)
}
