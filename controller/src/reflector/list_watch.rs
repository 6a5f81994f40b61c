//! A reflector lists and watches one kind, and lists it again when the watch cannot be resumed.
//!
//! kube's own watcher hides bookmarks and the version of a list. A node refuses a configuration that is older than
//! its own, so the controller must know both.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use ::clock::{Exponential, Span};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use kube::api::{Api, ListParams, WatchParams};
use kube::core::WatchEvent;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::kind::WatchKind;
use super::object::{ReflectorEvent, WatchedObject, parse_version};
use crate::api_error::api_error;

/// The API server ends a watch after this time, so that one that hangs is noticed.
const WATCH_SECONDS: u32 = 60;
/// The time-out of a watch on our side; the API server sends a bookmark when it ends a watch, if not earlier.
const WATCH_TIMEOUT: Duration = Duration::from_secs(75);
/// A streamed list that makes no progress for this time is requested by pages instead.
const LIST_STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Objects in a page, where the API server cannot stream a list.
const PAGE_SIZE: u32 = 500;
/// The waits between attempts, the last of which repeats: short enough to recover within seconds of the API server.
const RETRIES: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(2) };
/// The wait between two attempts to list a kind that the cluster does not have.
const ABSENT_KIND_RETRY: Duration = Duration::from_secs(5);
/// The least time between two requested lists.
const RELIST_INTERVAL: Duration = Duration::from_secs(1);
/// The wait from the first request of a list to the list, so that one list answers all requests made together.
const RELIST_DEBOUNCE: Duration = Duration::from_millis(100);
/// The annotation of the bookmark that ends a streamed list.
const LIST_END: &str = "k8s.io/initial-events-end";

/// A handle to request a new list of a kind.
#[derive(Clone, Debug, Default)]
pub struct Relist(Arc<Notify>);

impl Relist {
    /// Requests a list; there is at most one a second.
    pub fn request(&self) {
        self.0.notify_one();
    }

    async fn requested(&self) {
        self.0.notified().await;
    }

    /// Clears requests made so far, which the list that begins now answers.
    fn clear(&self) {
        let _ = self.requested().now_or_never();
    }
}

pub struct Reflector<K> {
    pub kind: WatchKind,
    pub api: Api<K>,
    /// The label selector.
    pub labels: Option<String>,
    /// The field selector.
    pub fields: Option<String>,
    pub relist: Relist,
}

/// Why a watch ended.
enum WatchEnd {
    /// The API server ended it, as it does regularly; the next one resumes it.
    Closed,
    /// A list is needed: the version is too old for the API server, or a list was requested.
    ListAgain,
    /// The API server cannot be reached, or refuses the watch.
    Failed(kube::Error),
}

impl<K> Reflector<K>
where
    K: WatchedObject + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Passes all events to `sink`; never returns.
    pub async fn run(self, sink: impl Fn(ReflectorEvent<K>) + Send) {
        let mut resume_at: Option<u64> = None;
        let mut failures = 0;
        let mut relisted: Option<Instant> = None;
        loop {
            let ended = match resume_at {
                None => self.list_and_watch(&mut resume_at, &sink).await,
                Some(from) => self.resume(from, &mut resume_at, &sink).await,
            };
            match ended {
                WatchEnd::Closed => {
                    failures = 0;
                    tokio::time::sleep(RETRIES.first.into()).await;
                }
                WatchEnd::ListAgain => {
                    info!(kind = self.kind.as_str(), "relisting");
                    resume_at = None;
                    let earliest = relisted.map(|last| last + RELIST_INTERVAL);
                    let next = earliest.into_iter().fold(Instant::now() + RELIST_DEBOUNCE, Instant::max);
                    tokio::time::sleep_until(next).await;
                    relisted = Some(next);
                    self.relist.clear();
                }
                WatchEnd::Failed(error) if self.kind.may_be_absent() && missing(&error) => {
                    // A cluster without the kind has no object of it.
                    sink(ReflectorEvent::Listed(Vec::new(), 0));
                    resume_at = None;
                    tokio::time::sleep(ABSENT_KIND_RETRY).await;
                }
                WatchEnd::Failed(error) => {
                    sink(ReflectorEvent::Lost);
                    resume_at = resume_at.filter(|_| can_resume_after(&error));
                    let wait = Duration::from(RETRIES.delay(failures));
                    failures = failures.saturating_add(1);
                    let kind = self.kind.as_str();
                    warn!(kind, error = api_error(&error), retry_in = ?wait, "watch failed");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Watches from where the last watch ended, unless the API server's storage is behind that version. Restored
    /// storage may be, and a watch from a future version would be open and silent, as if nothing had happened.
    async fn resume(
        &self,
        from: u64,
        resume_at: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        match tokio::time::timeout(WATCH_TIMEOUT, self.api.list(&ListParams::default().limit(1))).await {
            Ok(Ok(list)) if list.metadata.resource_version.as_deref().map_or(0, parse_version) < from => {
                warn!(kind = self.kind.as_str(), "the API server's storage is older than before; relisting");
                WatchEnd::ListAgain
            }
            Ok(Ok(_)) => self.watch(&WatchParams::default(), from, resume_at, sink).await,
            Ok(Err(error)) => WatchEnd::Failed(error),
            Err(_) => Self::timed_out(sink),
        }
    }

    /// The API server accepts connections and does not answer, so the known objects may be out of date.
    fn timed_out(sink: &(impl Fn(ReflectorEvent<K>) + Send)) -> WatchEnd {
        sink(ReflectorEvent::Lost);
        WatchEnd::Closed
    }

    async fn list_and_watch(
        &self,
        resume_at: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        match self.watch(&WatchParams::streaming_lists(), 0, resume_at, sink).await {
            // Kubernetes before 1.32 cannot stream a list.
            WatchEnd::Failed(kube::Error::Api(status)) if status.is_invalid() && resume_at.is_none() => {
                debug!(kind = self.kind.as_str(), "the API server cannot stream lists; listing by pages");
                self.list_by_pages(resume_at, sink).await
            }
            WatchEnd::Closed if resume_at.is_none() => {
                info!(kind = self.kind.as_str(), "the streamed list stalled; listing by pages");
                self.list_by_pages(resume_at, sink).await
            }
            ended => ended,
        }
    }

    async fn list_by_pages(
        &self,
        resume_at: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        match self.list_pages().await {
            Ok(Some((objects, version))) => {
                *resume_at = Some(version);
                sink(ReflectorEvent::Listed(objects, version));
                WatchEnd::Closed
            }
            Ok(None) => Self::timed_out(sink),
            Err(error) => WatchEnd::Failed(error),
        }
    }

    /// All objects; `None` if the request of a page timed out.
    async fn list_pages(&self) -> Result<Option<(Vec<K>, u64)>, kube::Error> {
        let (label_selector, field_selector) = (self.labels.clone(), self.fields.clone());
        let mut params =
            ListParams { label_selector, field_selector, ..ListParams::default() }.limit(PAGE_SIZE);
        let mut objects = Vec::new();
        loop {
            let Ok(page) = tokio::time::timeout(WATCH_TIMEOUT, self.api.list(&params)).await else {
                return Ok(None);
            };
            let page = page?;
            objects.extend(page.items);
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            let Some(token) = next else {
                let version = page.metadata.resource_version.as_deref().map_or(0, parse_version);
                return Ok(Some((objects, version)));
            };
            params = params.continue_token(&token);
        }
    }

    /// Watches once. With `from` 0 the watch starts with a consistent list; `resume_at` is set to the reached version.
    async fn watch(
        &self,
        params: &WatchParams,
        from: u64,
        resume_at: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        let mut params = params.clone().timeout(WATCH_SECONDS);
        params.label_selector.clone_from(&self.labels);
        params.field_selector.clone_from(&self.fields);
        let from = if from == 0 { String::new() } else { from.to_string() };
        let stream = match tokio::time::timeout(WATCH_TIMEOUT, self.api.watch(&params, &from)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return WatchEnd::Failed(error),
            Err(_) => return Self::timed_out(sink),
        };
        self.consume(stream.boxed(), resume_at, sink).await
    }

    async fn consume(
        &self,
        mut events: impl Stream<Item = Result<WatchEvent<K>, kube::Error>> + Unpin + Send,
        resume_at: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        // The API server accepted the version, so the known objects are up to date.
        if let Some(version) = *resume_at {
            sink(ReflectorEvent::Reached(version));
        }
        let mut listing = resume_at.is_none().then(Vec::new);
        loop {
            let timeout = if listing.is_some() { LIST_STALL_TIMEOUT } else { WATCH_TIMEOUT };
            let event = tokio::select! {
                event = tokio::time::timeout(timeout, events.try_next()) => event,
                // A request during a list is answered by the next list; otherwise no list might ever complete.
                () = self.relist.requested(), if listing.is_none() => return WatchEnd::ListAgain,
            };
            match event {
                Ok(Ok(Some(WatchEvent::Error(status)))) if status.code == 410 => return WatchEnd::ListAgain,
                Ok(Ok(Some(WatchEvent::Error(status)))) => return WatchEnd::Failed(kube::Error::Api(status)),
                Ok(Ok(Some(event))) => {
                    if let Some((event, reached)) = convert(event, &mut listing) {
                        *resume_at = (*resume_at).max(Some(reached));
                        sink(event);
                    }
                }
                Ok(Ok(None)) | Err(_) => return WatchEnd::Closed,
                Ok(Err(error)) => return WatchEnd::Failed(error),
            }
        }
    }
}

/// Converts a watch event to a reflector event and the version it reaches; `None` while a list is incomplete.
fn convert<K: WatchedObject>(
    event: WatchEvent<K>,
    listing: &mut Option<Vec<K>>,
) -> Option<(ReflectorEvent<K>, u64)> {
    match (event, listing.as_mut()) {
        (WatchEvent::Added(object) | WatchEvent::Modified(object), Some(objects)) => {
            objects.push(object);
            None
        }
        (WatchEvent::Bookmark(bookmark), Some(_)) => {
            let ends = bookmark.metadata.annotations.get(LIST_END).is_some_and(|ends| ends == "true");
            let objects = listing.take_if(|_| ends)?;
            let reached = parse_version(&bookmark.metadata.resource_version);
            Some((ReflectorEvent::Listed(objects, reached), reached))
        }
        (WatchEvent::Bookmark(bookmark), None) => {
            let reached = parse_version(&bookmark.metadata.resource_version);
            Some((ReflectorEvent::Reached(reached), reached))
        }
        (WatchEvent::Added(object) | WatchEvent::Modified(object), None) => {
            let reached = object.version();
            Some((ReflectorEvent::Applied(object), reached))
        }
        (WatchEvent::Deleted(object), None) => {
            let reached = object.version();
            Some((ReflectorEvent::Deleted(object), reached))
        }
        (WatchEvent::Deleted(_) | WatchEvent::Error(_), _) => None,
    }
}

fn missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the same API server answered and still knows the version. After any other error the storage may have been
/// replaced, which a version does not show once the new storage has caught up.
fn can_resume_after(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code != 410)
}
