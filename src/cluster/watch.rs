//! Following a set of objects: one list, then a watch, resumed where it broke, begun anew where it cannot be
//! resumed. The stream never ends by itself; who waits for how long is the engine's.

use super::{
    Cluster, ClusterError,
    request::{Ask, JSON, USER_AGENT, describe_all},
    resource::with_query,
    status::Status,
    verbs::name_kind,
};
use crate::object::lean::{Lean, slim};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use http::{Method, Request, header};
use kube::{api::WatchEvent as Raw, core::Status as RawStatus};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// After this many seconds the server ends a watch, and it is resumed.
const SERVER_SECONDS: &str = "290";
/// A watch that is silent for this long is taken for dead: the server sends a bookmark every minute.
const SILENCE: Duration = Duration::from_secs(100);
/// How long the server may take to open a watch.
const OPENING: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// The whole state: first, and again whenever the watch had to begin anew. What is not in it is gone.
    Listed(Vec<Value>),
    /// An object is new or has changed.
    Applied(Value),
    /// An object is gone; its last state.
    Deleted(Value),
    /// The watch is broken for now and goes on by itself. Repeated while it lasts.
    Trouble(ClusterError),
}

impl Cluster {
    /// Follows the objects of a kind in one namespace, or (`None`) in all. The first event comes after one list
    /// request. The objects are lean. Dropping the stream ends the watch.
    pub fn watch(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> impl Stream<Item = WatchEvent> + Send + Unpin + use<> {
        let watcher = Watcher {
            cluster: self.clone(),
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            selector: selector.into(),
            state: State::Unlisted,
            pause: None,
        };
        stream::unfold(watcher, |mut watcher| async { Some((watcher.next().await, watcher)) }).boxed()
    }
}

struct Watcher {
    cluster: Cluster,
    api_version: String,
    kind: String,
    namespace: Option<String>,
    selector: String,
    state: State,
    /// How long to wait before the next try; `None` while all is well.
    pause: Option<Duration>,
}

enum State {
    /// Nothing is known, or what is known is too old to go on from.
    Unlisted,
    /// All is known up to this resourceVersion.
    Listed(String),
    /// A watch is open since then.
    Open(String, Instant, BoxStream<'static, Result<Raw<Lean>, kube::Error>>),
}

impl Watcher {
    async fn next(&mut self) -> WatchEvent {
        loop {
            if let (Some(pause), State::Unlisted | State::Listed(_)) = (self.pause, &self.state) {
                sleep(pause).await;
            }
            let event = match std::mem::replace(&mut self.state, State::Unlisted) {
                State::Unlisted => Some(self.list().await),
                State::Listed(version) => self.open(version).await,
                State::Open(version, since, stream) => self.read(version, since, stream).await,
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    async fn list(&mut self) -> WatchEvent {
        let namespace = self.namespace.as_deref();
        match self.cluster.list_lean(&self.api_version, &self.kind, namespace, &self.selector).await {
            Ok(listing) => {
                self.pause = None;
                self.state = State::Listed(listing.resource_version);
                WatchEvent::Listed(listing.items)
            }
            Err(error) => self.trouble(error),
        }
    }

    async fn open(&mut self, version: String) -> Option<WatchEvent> {
        let opened = timeout(OPENING, self.request(&version)).await.unwrap_or_else(|_| {
            let server = self.cluster.server().to_owned();
            Err(ClusterError::Timeout { server, action: self.action(), after: OPENING })
        });
        match opened {
            Ok(stream) => {
                self.state = State::Open(version, Instant::now(), stream);
                None
            }
            Err(error) if is_too_old(&error) => {
                // A moment, lest a server that is always ahead of us be listed without end.
                self.pause = Some(FIRST_PAUSE);
                None
            }
            Err(error) => {
                self.state = State::Listed(version);
                Some(self.trouble(error))
            }
        }
    }

    async fn read(
        &mut self,
        mut version: String,
        since: Instant,
        mut stream: BoxStream<'static, Result<Raw<Lean>, kube::Error>>,
    ) -> Option<WatchEvent> {
        let (object, deleted) = match timeout(SILENCE, stream.next()).await {
            Ok(Some(Ok(Raw::Added(object) | Raw::Modified(object)))) => (object, false),
            Ok(Some(Ok(Raw::Deleted(object)))) => (object, true),
            Ok(Some(Ok(Raw::Bookmark(bookmark)))) => {
                self.pause = None;
                self.state = State::Open(bookmark.metadata.resource_version, since, stream);
                return None;
            }
            Ok(Some(Ok(Raw::Error(status)))) => return self.refused(version, &status),
            Ok(Some(Err(kube::Error::Api(status)))) => return self.refused(version, &status),
            // It broke, ended, or fell silent. All of it is ordinary (a proxy's limit, a server's restart) and
            // nothing is lost: go on from the last version, and only speak up if that fails. One that broke young
            // waits a moment, lest a server that drops every watch be asked without end.
            _ => {
                self.state = State::Listed(version);
                self.pause = (since.elapsed() < Duration::from_secs(1)).then(|| self.longer_pause());
                return None;
            }
        };
        self.pause = None;
        let Lean(mut object) = object;
        name_kind(&mut object, &self.api_version, &self.kind);
        slim(&mut object);
        if let Some(newer) = crate::object::text(&object, "/metadata/resourceVersion") {
            version = newer.to_owned();
        }
        self.state = State::Open(version, since, stream);
        Some(if deleted { WatchEvent::Deleted(object) } else { WatchEvent::Applied(object) })
    }

    async fn request(
        &mut self,
        version: &str,
    ) -> Result<BoxStream<'static, Result<Raw<Lean>, kube::Error>>, ClusterError> {
        let path = self.cluster.kind_path(&self.api_version, &self.kind, self.namespace.as_deref()).await?;
        let mut query = vec![
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", SERVER_SECONDS),
            ("resourceVersion", version),
        ];
        if !self.selector.is_empty() {
            query.push(("labelSelector", &self.selector));
        }
        let request = Request::get(with_query(&path, &query))
            .header(header::ACCEPT, JSON)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Vec::new())
            .map_err(|error| ClusterError::Garbled { action: self.action(), why: error.to_string() })?;
        match self.cluster.inner.client.request_events::<Lean>(request).await {
            Ok(stream) => Ok(stream.boxed()),
            Err(kube::Error::Api(status)) => Err(self.api_error(&status)),
            Err(error) => Err(self.cluster.transport(&error, &self.action())),
        }
    }

    fn refused(&mut self, version: String, status: &RawStatus) -> Option<WatchEvent> {
        let error = self.api_error(status);
        if is_too_old(&error) {
            return None;
        }
        self.state = State::Listed(version);
        Some(self.trouble(error))
    }

    fn trouble(&mut self, error: ClusterError) -> WatchEvent {
        self.pause = Some(self.longer_pause());
        WatchEvent::Trouble(error)
    }

    fn longer_pause(&self) -> Duration {
        self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE))
    }

    fn ask(&self) -> Ask {
        let what = describe_all(&self.kind, self.namespace.as_deref());
        Ask::new(Method::GET, String::new(), "watch", &what).of_kind(&self.api_version, &self.kind)
    }

    fn action(&self) -> String {
        self.ask().action()
    }

    fn api_error(&self, status: &RawStatus) -> ClusterError {
        let status = serde_json::to_value(status).map(|value| Status::of(&value)).unwrap_or_default();
        self.ask().refused(status, self.cluster.server())
    }
}

/// The server no longer knows what came after our version.
fn is_too_old(error: &ClusterError) -> bool {
    error.status().is_some_and(|s| s.code == 410 || s.reason == "Expired" || s.reason == "Gone")
}
