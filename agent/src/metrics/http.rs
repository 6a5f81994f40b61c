//! Three pages over HTTP.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use super::sample::{ScrapeInput, samples};
use super::text;
use crate::agent::Agent;

/// Callers at once; the next ones wait.
const CALLERS: usize = 16;
/// From connecting to the last byte of the answer.
const WHOLE: Duration = Duration::from_secs(10);
/// Longer than the data plane ever takes for a batch.
const ALIVE: Duration = Duration::from_secs(5);
/// From one look at the data plane to the next: whoever asks more often, and be it from many places, waits, and the
/// VMs do not.
const APART: Duration = Duration::from_millis(100);
/// Before the next caller is accepted after one could not be.
const PAUSE: Duration = Duration::from_secs(1);

type Page = Response<Full<Bytes>>;

/// What is looked at, and whose turn it is to look at all of it.
struct ScrapeHandler {
    agent: Arc<Agent>,
    turn: Mutex<Interval>,
}

impl ScrapeHandler {
    fn new(agent: Arc<Agent>) -> Self {
        let mut turn = interval(APART);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { agent, turn: Mutex::new(turn) }
    }
}

/// Answers until told to stop.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    agent: Arc<Agent>,
    stopped: oneshot::Receiver<()>,
) {
    tokio::select! {
        _ = stopped => {}
        error = accept(listener, agent) => tracing::error!(%error, "metrics are not served any more"),
    }
}

async fn accept(listener: std::net::TcpListener, agent: Arc<Agent>) -> io::Error {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    let (room, scraped) = (Arc::new(Semaphore::new(CALLERS)), Arc::new(ScrapeHandler::new(agent)));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return io::Error::other("nobody closes the semaphore");
        };
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(answer(stream, Arc::clone(&scraped), place))),
            Err(error) => {
                tracing::warn!(%error, "a scrape could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, scraped: Arc<ScrapeHandler>, place: OwnedSemaphorePermit) {
    let page = service_fn(move |request: Request<Incoming>| {
        let scraped = Arc::clone(&scraped);
        async move { Ok::<_, Infallible>(page(&request, &scraped).await) }
    });
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), page);
    // Who hangs up, or dawdles, has no answer; that is all.
    let _ = timeout(WHOLE, connection).await;
    drop(place);
}

async fn page(request: &Request<Incoming>, scraped: &ScrapeHandler) -> Page {
    let agent = Arc::clone(&scraped.agent);
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut page = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        page.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return page;
    }
    match request.uri().path() {
        "/metrics" => metrics(scraped).await,
        "/healthz" => match is_alive(agent).await {
            Ok(()) => plain(StatusCode::OK, "the data plane answers"),
            Err(sentence) => plain(StatusCode::SERVICE_UNAVAILABLE, sentence),
        },
        "/readyz" => match (agent.applied_config().age, is_alive(agent).await) {
            (Some(_), Ok(())) => {
                plain(StatusCode::OK, "a configuration is in force and the data plane answers")
            }
            // A cluster without a pool has nothing to send, and its agents are ready for the first one.
            (None, Ok(())) => {
                plain(StatusCode::OK, "the data plane answers; no configuration is in force yet")
            }
            (_, Err(sentence)) => plain(StatusCode::SERVICE_UNAVAILABLE, sentence),
        },
        _ => plain(StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz"),
    }
}

async fn metrics(scraped: &ScrapeHandler) -> Page {
    let (mut turn, agent) = (scraped.turn.lock().await, Arc::clone(&scraped.agent));
    turn.tick().await;
    match in_time(move || scrape(&agent)).await {
        Ok(Some(text)) => {
            let mut page = Response::new(Full::from(text));
            page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(text::CONTENT_TYPE));
            page
        }
        Ok(None) => plain(StatusCode::SERVICE_UNAVAILABLE, "the data plane has stopped"),
        Err(sentence) => plain(StatusCode::SERVICE_UNAVAILABLE, sentence),
    }
}

/// Everything as it is now; nothing if the data plane is on its way out.
fn scrape(agent: &Agent) -> Option<String> {
    let (snapshot, sources, config) =
        (agent.server().snapshot().ok()?, agent.server().sources(), agent.config());
    let (in_force, disorder) = (&agent.applied_config(), &agent.health().get());
    let sight = ScrapeInput { snapshot: &snapshot, sources: &sources, config: &config, in_force, disorder };
    text::encode(samples(&sight)).ok()
}

async fn is_alive(agent: Arc<Agent>) -> Result<(), &'static str> {
    let answers = in_time(move || agent.server().responds()).await?;
    if answers { Ok(()) } else { Err("the data plane has stopped") }
}

/// What the data plane says, if it says it in time.
async fn in_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Result<T, &'static str> {
    match timeout(ALIVE, tokio::task::spawn_blocking(ask)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err("the daemon failed in this call; its log says more"),
        Err(_) => Err("the data plane does not answer"),
    }
}

fn plain(status: StatusCode, sentence: &'static str) -> Page {
    let mut page = Response::new(Full::from(format!("{sentence}\n")));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    page
}
