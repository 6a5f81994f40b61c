//! One kind, followed for ever: listed by a stream, watched, listed anew where the watch lost its place.
//!
//! kube's own watcher hides bookmarks and the version of a list. A node refuses a configuration that is older
//! than its own, so here both must be known.

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

use super::reflector_event::version;
use super::{Object, ReflectorEvent, WatchKind};

/// The API server ends a watch after this long, so that one that hangs is noticed.
const WATCH_SECONDS: u32 = 60;
/// Silence for this long ends a watch from our side; the server sends a bookmark at the latest when it ends one.
const SILENCE: Duration = Duration::from_secs(75);
/// A list that comes as a stream and stands still for so long is asked for by pages instead.
const STALLED: Duration = Duration::from_secs(5);
/// A page of a list, where the API server cannot stream it.
const PAGE: u32 = 500;
/// Waits between attempts, the last one for ever: soon enough to be back within seconds of the API server.
const RETRIES: Exponential = Exponential { first: Span::millis(100), longest: Span::seconds(2) };
/// Between two looks for a kind that the cluster does not have.
const ABSENT: Duration = Duration::from_secs(5);
/// The least time from one list that was asked for to the next.
const RELIST_SPACING: Duration = Duration::from_secs(1);
/// From the first who asks to the list, so that one list answers all who ask together.
const GATHER: Duration = Duration::from_millis(100);
/// What the bookmark that ends a streamed list carries.
const LIST_ENDS: &str = "k8s.io/initial-events-end";

/// Asks a kind to be listed anew.
#[derive(Clone, Debug, Default)]
pub struct Relist(Arc<Notify>);

impl Relist {
    /// Lists anew, at most once a second.
    pub fn request(&self) {
        self.0.notify_one();
    }

    async fn asked(&self) {
        self.0.notified().await;
    }

    /// The list that begins now is for all who have asked.
    fn answer(&self) {
        let _ = self.asked().now_or_never();
    }
}

/// One kind and how it is followed.
pub struct Reflector<K> {
    /// Which kind.
    pub kind: WatchKind,
    /// Where it is.
    pub api: Api<K>,
    /// Only objects with these labels.
    pub labels: Option<String>,
    /// Only objects with these fields.
    pub fields: Option<String>,
    /// Who may ask for a new list.
    pub relist: Relist,
}

/// Why a watch ended.
enum WatchEnd {
    /// As watches do; it goes on where it was.
    Quietly,
    /// The version is too old for the API server, or somebody asked: list again.
    ListAgain,
    /// The API server is not there, or refuses.
    Failed(kube::Error),
}

impl<K> Reflector<K>
where
    K: Object + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Tells `sink` all that happens; ends never.
    pub async fn run(self, sink: impl Fn(ReflectorEvent<K>) + Send) {
        let mut place: Option<u64> = None;
        let mut failures = 0;
        let mut relisted: Option<Instant> = None;
        loop {
            let ended = match place {
                None => self.list_and_watch(&mut place, &sink).await,
                Some(from) => self.go_on(from, &mut place, &sink).await,
            };
            match ended {
                WatchEnd::Quietly => {
                    failures = 0;
                    tokio::time::sleep(RETRIES.first.into()).await;
                }
                WatchEnd::ListAgain => {
                    info!(kind = self.kind.as_str(), "listing anew");
                    place = None;
                    let spaced = relisted.map(|last| last + RELIST_SPACING);
                    let next = spaced.into_iter().fold(Instant::now() + GATHER, Instant::max);
                    tokio::time::sleep_until(next).await;
                    relisted = Some(next);
                    self.relist.answer();
                }
                WatchEnd::Failed(error) if self.kind.may_be_absent() && missing(&error) => {
                    // There is none where nobody knows what it is.
                    sink(ReflectorEvent::Listed(Vec::new(), 0));
                    place = None;
                    tokio::time::sleep(ABSENT).await;
                }
                WatchEnd::Failed(error) => {
                    sink(ReflectorEvent::Lost);
                    place = place.filter(|_| is_kept_after(&error));
                    let wait = Duration::from(RETRIES.delay(failures));
                    failures = failures.saturating_add(1);
                    warn!(kind = self.kind.as_str(), %error, retry_in = ?wait, "watch failed");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Watches from where the last watch ended, if that is still ahead of nobody. Storage that was restored is behind
    /// it, and a watch from a version that is yet to come is open and silent, as if nothing had happened.
    async fn go_on(
        &self,
        from: u64,
        place: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        match tokio::time::timeout(SILENCE, self.api.list(&ListParams::default().limit(1))).await {
            Ok(Ok(list)) if list.metadata.resource_version.as_deref().map_or(0, version) < from => {
                warn!(kind = self.kind.as_str(), "the storage has gone back");
                WatchEnd::ListAgain
            }
            Ok(Ok(_)) => self.watch(&WatchParams::default(), from, place, sink).await,
            Ok(Err(error)) => WatchEnd::Failed(error),
            Err(_) => Self::unanswered(sink),
        }
    }

    /// An API server that takes connections and says nothing: what is known may be long out of date.
    fn unanswered(sink: &(impl Fn(ReflectorEvent<K>) + Send)) -> WatchEnd {
        sink(ReflectorEvent::Lost);
        WatchEnd::Quietly
    }

    async fn list_and_watch(
        &self,
        place: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        match self.watch(&WatchParams::streaming_lists(), 0, place, sink).await {
            // A server older than 1.32 does not know how to stream a list.
            WatchEnd::Failed(kube::Error::Api(status)) if status.is_invalid() && place.is_none() => {
                debug!(kind = self.kind.as_str(), "the API server streams no lists: listing by pages");
                self.list_by_pages(place, sink).await
            }
            WatchEnd::Quietly if place.is_none() => {
                info!(kind = self.kind.as_str(), "the list stood still: listing by pages");
                self.list_by_pages(place, sink).await
            }
            ended => ended,
        }
    }

    async fn list_by_pages(
        &self,
        place: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        match self.list_pages().await {
            Ok(Some((objects, version))) => {
                *place = Some(version);
                sink(ReflectorEvent::Listed(objects, version));
                WatchEnd::Quietly
            }
            Ok(None) => Self::unanswered(sink),
            Err(error) => WatchEnd::Failed(error),
        }
    }

    /// All objects; none if a page is never answered.
    async fn list_pages(&self) -> Result<Option<(Vec<K>, u64)>, kube::Error> {
        let (label_selector, field_selector) = (self.labels.clone(), self.fields.clone());
        let mut params = ListParams { label_selector, field_selector, ..ListParams::default() }.limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let Ok(page) = tokio::time::timeout(SILENCE, self.api.list(&params)).await else {
                return Ok(None);
            };
            let page = page?;
            objects.extend(page.items);
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            let Some(token) = next else {
                let version = page.metadata.resource_version.as_deref().map_or(0, version);
                return Ok(Some((objects, version)));
            };
            params = params.continue_token(&token);
        }
    }

    /// Watches once. `from` 0 starts with all objects, consistently; `place` follows what was seen.
    async fn watch(
        &self,
        params: &WatchParams,
        from: u64,
        place: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        let mut params = params.clone().timeout(WATCH_SECONDS);
        params.label_selector.clone_from(&self.labels);
        params.field_selector.clone_from(&self.fields);
        let from = if from == 0 { String::new() } else { from.to_string() };
        let stream = match tokio::time::timeout(SILENCE, self.api.watch(&params, &from)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return WatchEnd::Failed(error),
            Err(_) => return Self::unanswered(sink),
        };
        self.consume(stream.boxed(), place, sink).await
    }

    async fn consume(
        &self,
        mut events: impl Stream<Item = Result<WatchEvent<K>, kube::Error>> + Unpin + Send,
        place: &mut Option<u64>,
        sink: &(impl Fn(ReflectorEvent<K>) + Send),
    ) -> WatchEnd {
        // Being let in is news too: what is known is as new as the API server's.
        if let Some(version) = *place {
            sink(ReflectorEvent::Reached(version));
        }
        let mut listing = place.is_none().then(Vec::new);
        loop {
            let patience = if listing.is_some() { STALLED } else { SILENCE };
            let event = tokio::select! {
                event = tokio::time::timeout(patience, events.try_next()) => event,
                // One that asks while all is being listed is answered by the next list: ended early, none ever would be.
                () = self.relist.asked(), if listing.is_none() => return WatchEnd::ListAgain,
            };
            match event {
                Ok(Ok(Some(WatchEvent::Error(status)))) if status.code == 410 => return WatchEnd::ListAgain,
                Ok(Ok(Some(WatchEvent::Error(status)))) => return WatchEnd::Failed(kube::Error::Api(status)),
                Ok(Ok(Some(event))) => {
                    if let Some((seen, reached)) = step(event, &mut listing) {
                        *place = (*place).max(Some(reached));
                        sink(seen);
                    }
                }
                Ok(Ok(None)) | Err(_) => return WatchEnd::Quietly,
                Ok(Err(error)) => return WatchEnd::Failed(error),
            }
        }
    }
}

/// What an event says, and up to which version; nothing while a list is on its way.
fn step<K: Object>(event: WatchEvent<K>, listing: &mut Option<Vec<K>>) -> Option<(ReflectorEvent<K>, u64)> {
    match (event, listing.as_mut()) {
        (WatchEvent::Added(object) | WatchEvent::Modified(object), Some(objects)) => {
            objects.push(object);
            None
        }
        (WatchEvent::Bookmark(bookmark), Some(_)) => {
            let ends = bookmark.metadata.annotations.get(LIST_ENDS).is_some_and(|ends| ends == "true");
            let objects = listing.take_if(|_| ends)?;
            let reached = version(&bookmark.metadata.resource_version);
            Some((ReflectorEvent::Listed(objects, reached), reached))
        }
        (WatchEvent::Bookmark(bookmark), None) => {
            let reached = version(&bookmark.metadata.resource_version);
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

/// Whether the same server was there all the while, and still knows the version: after any other error the storage
/// may be another, which a version does not show once it has caught up.
fn is_kept_after(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code != 410)
}
