//! The API server: connection, verbs, watches. What is read and written here is JSON; what it means is `object`'s,
//! `record`'s and `plan`'s.
//!
//! - `connect`: from `kubeconfig` and flags to a client;
//! - `request`: the one way out: bounds, retries, errors; `http_log` sees all that passes;
//! - `fence`: a bound on writes in time, for who writes under a lock;
//! - `resource`: kinds, their resources and URLs;
//! - `verbs`, `lists`, `versions`, `pods`, `access`: what can be asked of a server;
//! - `watch`: following a set of objects, through restarts of the server.
//!
//! A server that speaks HTTP/2, and is reached without a proxy, gets one connection for all of it. To another one
//! connections are kept and used again, and each watch holds one more: that is why the number of requests under way is
//! bounded by `PARALLEL_REQUESTS`.

mod access;
mod connect;
mod error;
mod fence;
mod http_log;
mod kubeconfig;
mod lists;
mod pods;
mod proxy;
mod request;
mod resource;
mod status;
pub mod store;
mod transport;
mod verbs;
mod versions;
mod watch;

pub use access::Access;
pub use connect::ConnectOptions;
pub use error::ClusterError;
pub use fence::{Fence, Moment};
pub use lists::Listing;
pub use pods::Eviction;
pub use resource::Resource;
pub use status::{Cause, Status};
pub use verbs::{DeleteHow, Propagation, Run};
pub use versions::Version;
pub use watch::WatchEvent;

use http_log::{Bodies, Traffic};
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use tokio::sync::{Mutex, Semaphore};
use transport::Plugin;

/// Who we are in managedFields. Sent with every write.
pub const FIELD_MANAGER: &str = "kubectl-vnf";

/// How many requests are under way at once, watches not counted.
pub const PARALLEL_REQUESTS: usize = 8;

/// One API server, as one user, in one context. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
    fence: Option<Fence>,
    insists: bool,
}

struct Inner {
    client: kube::Client,
    traffic: Arc<Traffic>,
    server: String,
    proxy: Option<String>,
    plugin: Option<Plugin>,
    bodies: Bodies,
    context: String,
    namespace: String,
    context_namespace: String,
    timeout: Option<Duration>,
    slots: Semaphore,
    /// `APIResourceList` by API version.
    discovered: Mutex<HashMap<String, Value>>,
}

impl Cluster {
    /// The same cluster, to which no write goes out unless the fence is open at that moment.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// The same cluster without a fence.
    #[must_use]
    pub fn unfenced(&self) -> Self {
        Self { fence: None, ..self.clone() }
    }

    /// The same cluster, which also tries writes again that failed for a passing reason: for who knows what a second
    /// try finds when the first one was done and only its answer got lost.
    #[must_use]
    pub fn insisting(&self) -> Self {
        Self { insists: true, ..self.clone() }
    }

    /// The context in use; empty when only a server was named.
    pub fn context(&self) -> &str {
        &self.inner.context
    }

    /// The namespace to work in: `-n`, else the context's.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// The context's own namespace: a hint to the user needs `-n` when [`Self::namespace`] is another.
    pub fn context_namespace(&self) -> &str {
        &self.inner.context_namespace
    }

    /// `host:port` of the server.
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// How many requests were sent so far, repeated ones and watches included.
    pub fn requests(&self) -> u64 {
        self.inner.traffic.sent()
    }

    /// The server's time at its newest answer, whole seconds; `None` before the first one.
    pub fn server_now(&self) -> Option<Timestamp> {
        self.inner.traffic.server_now()
    }

    /// The server's time now, reckoned from its newest answer (up to 1 s behind); local time before the first one.
    pub fn now(&self) -> Timestamp {
        self.inner.traffic.now()
    }

    /// Takes the server's warnings (deprecated API versions, unknown fields) that came since the last call.
    pub fn take_warnings(&self) -> Vec<String> {
        self.inner.traffic.take_warnings()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("server", &self.inner.server).finish_non_exhaustive()
    }
}
