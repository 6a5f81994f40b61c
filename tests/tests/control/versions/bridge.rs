//! Between an agent and its controller: each takes the other for one of another version.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use futures::{Stream, StreamExt, future, stream};
use prost::bytes::{Buf, BufMut, Bytes};
use rustls::ClientConfig;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http;
use tonic::server::{NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

use super::previous_schema::PreviousSchema;
use crate::grpc_client;

const PATH: &str = "/entropool.delivery.v1alpha1.Delivery/Subscribe";

type Said = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// What stands between the two.
#[derive(Clone)]
pub(super) struct Bridge {
    controller: SocketAddr,
    tls: Arc<ClientConfig>,
    dialect: Arc<PreviousSchema>,
}

impl Bridge {
    /// Listens on the loopback interface until the end of the program, and says where.
    pub(super) fn start(controller: SocketAddr, authority: &str, dialect: Arc<PreviousSchema>) -> SocketAddr {
        let bridge = Self { controller, tls: grpc_client::tls(authority), dialect };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
                let mut server = tonic::transport::Server::builder();
                server.add_service(bridge).serve_with_incoming(incoming).await.unwrap();
            });
        });
        address
    }

    async fn carry(self, request: Request<Streaming<Bytes>>) -> Result<Response<Said>, Status> {
        let authorization = request.metadata().get("authorization").cloned();
        let upwards = Arc::clone(&self.dialect);
        let said = request.into_inner().filter_map(|message| future::ready(message.ok()));
        let said = said.flat_map(move |message| stream::iter(upwards.said("FromAgent", &message)));
        let mut request = Request::new(said);
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization);
        }
        let mut controller = tonic::client::Grpc::new(grpc_client::channel(self.controller, self.tls).await);
        controller.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let answer = controller.streaming(request, http::uri::PathAndQuery::from_static(PATH), Raw).await?;
        let downwards = self.dialect;
        let said = answer.into_inner().flat_map(move |message| {
            let all = match message {
                Ok(message) => downwards.said("FromController", &message).into_iter().map(Ok).collect(),
                Err(status) => vec![Err(status)],
            };
            stream::iter(all)
        });
        Ok(Response::new(said.boxed()))
    }
}

impl NamedService for Bridge {
    const NAME: &'static str = "entropool.delivery.v1alpha1.Delivery";
}

impl Service<http::Request<Body>> for Bridge {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Future<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let bridge = self.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).streaming(Call(bridge), request).await) })
    }
}

/// One stream of it.
struct Call(Bridge);

impl StreamingService<Bytes> for Call {
    type Response = Bytes;
    type ResponseStream = Said;
    type Future = Future<Result<Response<Said>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(self.0.clone().carry(request))
    }
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
