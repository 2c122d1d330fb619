//! The one way to a server for everything but watches: builds the request, bounds how long it takes and how many
//! run at once, repeats what is safe to repeat, and turns every failure into a `ClusterError`.
//!
//! Only reads are repeated here, and what comes to the same: trials and reviews. Whether a write that got no answer is
//! safe to repeat is its caller's to know, who then insists; a write whose connection was refused was never sent, and
//! is repeated.

use super::{
    Cluster, ClusterError,
    status::Status,
    transport::{Circumstances, transport},
};
use crate::object::ObjectRef;
use http::{Method, Request, header};
use kube::client::Body;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// What we call ourselves.
pub(super) const USER_AGENT: &str = concat!("kubectl-vnf/", env!("CARGO_PKG_VERSION"));

/// The pauses between the tries of one request.
const PAUSES: [Duration; 3] = [Duration::from_millis(150), Duration::from_millis(450), Duration::from_millis(1350)];
/// No new try after this long.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer may take to begin that nobody depends on.
const BEGINS: Duration = Duration::from_secs(1);

/// Media types.
pub(super) const JSON: &str = "application/json";

/// One request to be made.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: Method,
    /// Path and query.
    url: String,
    accept: &'static str,
    body: Option<(&'static str, Vec<u8>)>,
    /// For errors: `create`.
    verb: String,
    /// For errors: `Deployment web in namespace x`.
    what: String,
    /// API version and kind: to tell an absent kind from an absent object.
    kind: Option<(String, String)>,
    /// Sending it twice does no more than sending it once.
    repeatable: bool,
}

impl Ask {
    /// A request without a body. A GET is repeated when it fails for a passing reason.
    pub(super) fn new(method: Method, url: String, verb: &str, what: &str) -> Self {
        let repeatable = method == Method::GET;
        let (verb, what) = (verb.into(), what.into());
        Self { method, url, accept: JSON, body: None, verb, what, kind: None, repeatable }
    }

    /// A request about one object.
    pub(super) fn about(method: Method, url: String, verb: &str, r: &ObjectRef) -> Self {
        Self::new(method, url, verb, &describe(r)).of_kind(&r.api_version, &r.kind)
    }

    pub(super) fn of_kind(mut self, api_version: &str, kind: &str) -> Self {
        self.kind = Some((api_version.into(), kind.into()));
        self
    }

    pub(super) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    pub(super) fn body(mut self, content_type: &'static str, value: &Value) -> Self {
        self.body = Some((content_type, as_go_writes(&value.to_string()).into_bytes()));
        self
    }

    /// For what changes nothing although it is no GET, such as reviews.
    pub(super) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Verb and object, for messages.
    pub(super) fn action(&self) -> String {
        format!("{} {}", self.verb, self.what)
    }

    fn request(&self) -> Result<Request<Body>, ClusterError> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.url)
            .header(header::ACCEPT, self.accept)
            .header(header::USER_AGENT, USER_AGENT);
        let body = match &self.body {
            Some((content_type, bytes)) => {
                request = request.header(header::CONTENT_TYPE, *content_type);
                Body::from(bytes.clone())
            }
            None => Body::empty(),
        };
        request.body(body).map_err(|error| ClusterError::Garbled { action: self.action(), why: error.to_string() })
    }

    /// The error that a refused request becomes.
    pub(super) fn refused(&self, status: Status, server: &str) -> ClusterError {
        match &self.kind {
            Some((api_version, kind)) if status.is_absent_api() => {
                ClusterError::NotServed { api_version: api_version.clone(), kind: kind.clone() }
            }
            _ if status.code == 401 => {
                let message = if status.message.is_empty() { "Unauthorized".into() } else { status.message };
                ClusterError::Unauthorized { server: server.to_owned(), message }
            }
            _ => ClusterError::Api { verb: self.verb.clone(), what: self.what.clone(), status: Box::new(status) },
        }
    }
}

/// JSON with the characters escaped that Go's encoder escapes in strings. The API server compares what a JSON Patch
/// `test`s for with its own encoding byte by byte: without the escapes, no value with a `&` or `<` in it would ever be
/// equal to itself.
fn as_go_writes(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}

/// `Deployment web in namespace x`.
pub(super) fn describe(r: &ObjectRef) -> String {
    match &r.namespace {
        Some(namespace) => format!("{r} in namespace {namespace}"),
        None => r.to_string(),
    }
}

/// `Deployment objects in namespace x`.
pub(super) fn describe_all(kind: &str, namespace: Option<&str>) -> String {
    let place = namespace.map(|n| format!(" in namespace {n}")).unwrap_or_default();
    format!("{kind} objects{place}")
}

/// Reads an answer.
pub(super) fn read_json<'b, T: serde::Deserialize<'b>>(ask: &Ask, body: &'b [u8]) -> Result<T, ClusterError> {
    serde_json::from_slice(body).map_err(|error| no_json(ask, &error))
}

/// The error that (a part of) an answer is not what it should be.
pub(super) fn no_json(ask: &Ask, error: &serde_json::Error) -> ClusterError {
    ClusterError::Garbled {
        action: ask.action(),
        // Category and place only: the text around it may be a Secret's.
        why: format!("no JSON at line {}, column {}", error.line(), error.column()),
    }
}

impl Cluster {
    /// Makes a request whose answer is JSON.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Value, ClusterError> {
        let body = self.ask_raw(&ask).await?;
        read_json(&ask, &body)
    }

    /// Makes a request and gives the body as it came.
    pub(super) async fn ask_raw(&self, ask: &Ask) -> Result<Vec<u8>, ClusterError> {
        let started = Instant::now();
        for pause in PAUSES {
            // Before its first answer a server that cannot be reached is a wrong address or a cluster that is
            // down, and the user should hear of it at once; later it is a restart that is worth a moment.
            let had_answers = self.inner.traffic.has_answered();
            let error = match self.ask_once(ask).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let refused = matches!(error, ClusterError::Refused { .. });
            // A server that let us wait for the whole of the time limit gets no second one.
            let passing = error.is_transient() && !matches!(error, ClusterError::Timeout { .. });
            let worthwhile = ((ask.repeatable || self.insists) && passing) || refused;
            let hopeless = error.is_unsent() && !had_answers;
            let pause = error.status().and_then(|s| s.retry_after).unwrap_or(pause);
            if !worthwhile || hopeless || started.elapsed() + pause > PATIENCE {
                return Err(error);
            }
            sleep(pause).await;
        }
        self.ask_once(ask).await
    }

    async fn ask_once(&self, ask: &Ask) -> Result<Vec<u8>, ClusterError> {
        let request = ask.request()?;
        let server = || self.inner.server.clone();
        // The semaphore is never closed, so that this cannot fail.
        let _slot = self.inner.slots.acquire().await.ok();
        // Looked at here and not earlier: it may have waited for its turn, or been frozen on the way.
        let writes = ask.method != Method::GET && !ask.repeatable;
        if writes && self.fence.as_ref().is_some_and(|fence| !fence.is_open()) {
            return Err(ClusterError::Held { action: ask.action() });
        }
        let log = |title: &str, body: &[u8]| self.inner.bodies.tell(title, &ask.url, body);
        let exchange = async {
            if let Some((_, body)) = &ask.body {
                log("Request Body", body);
            }
            let response = self.inner.client.send(request).await.map_err(|e| self.transport(&e, &ask.action()))?;
            let (head, body) = response.into_parts();
            let body = body.collect_bytes().await.map_err(|e| self.transport(&e, &ask.action()))?;
            log("Response Body", &body);
            if head.status.is_success() {
                return Ok(Vec::from(body));
            }
            let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
            Err(ask.refused(Status::read(head.status.as_u16(), &body, retry_after), &self.inner.server))
        };
        match self.inner.timeout {
            None => exchange.await,
            Some(after) => timeout(after, exchange)
                .await
                .unwrap_or_else(|_| Err(ClusterError::Timeout { server: server(), action: ask.action(), after })),
        }
    }

    /// Whether an answer ends within this time of its beginning. As a watch, it does not keep other requests waiting.
    pub(super) async fn ends(&self, ask: &Ask, within: Duration) -> bool {
        let Ok(request) = ask.request() else { return false };
        match timeout(BEGINS, self.inner.client.send(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => {
                matches!(timeout(within, answer.into_body().collect_bytes()).await, Ok(Ok(_)))
            }
            _ => false,
        }
    }

    /// Sorts a failure of the connection.
    pub(super) fn transport(&self, error: &kube::Error, action: &str) -> ClusterError {
        let (server, proxy) = (self.inner.server.as_str(), self.inner.proxy.as_deref());
        transport(error, &Circumstances { server, proxy, action, plugin: self.inner.plugin.as_ref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_go_writes_them() {
        let value = serde_json::json!({"a&b": "<x> && \u{2028}y\u{1}\""});
        let text = as_go_writes(&value.to_string());
        assert_eq!(text, r#"{"a\u0026b":"\u003cx\u003e \u0026\u0026 \u2028y\u0001\""}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn an_absent_kind_is_told_from_an_absent_object() {
        let r = ObjectRef::new("example.com/v1", "Widget", Some("x"), "w");
        let ask = Ask::about(Method::GET, "/w".into(), "get", &r);
        let absent = ask.refused(Status::read(404, b"404 page not found", None), "h");
        assert!(matches!(absent, ClusterError::NotServed { .. }));
        let body = br#"{"kind":"Status","reason":"NotFound","message":"widgets \"w\" not found"}"#;
        let missing = ask.refused(Status::read(404, body, None), "h");
        assert!(missing.is_not_found());
        assert_eq!(missing.to_string(), "cannot get Widget w in namespace x: widgets \"w\" not found");
    }

    #[test]
    fn unauthorized_says_to_log_in() {
        let ask = Ask::new(Method::GET, "/version".into(), "get", "the version");
        let error = ask.refused(Status::read(401, b"", None), "h:6443");
        assert_eq!(error.to_string(), "you must be logged in to the server h:6443 (Unauthorized)");
    }
}
