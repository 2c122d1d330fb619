//! The layer around kube's HTTP stack that sees every request and the head of every answer: it counts, keeps the
//! server's time and warnings, and writes the request lines of `-v=6` and above.
//!
//! It stands outside of the layer that adds credentials, so that no token ever passes through it; bodies do pass,
//! but are not looked at. Those of `-v=8` are told by whoever has them, through [`Bodies`].

use super::status::clean;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Instant, SystemTime},
};
use tower::{BoxError, Layer, Service};

/// What is known from the traffic so far. Shared by all clones of a `Cluster`.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    sent: AtomicU64,
    answered: AtomicU64,
    clock: Mutex<Option<Clock>>,
    warnings: Mutex<Vec<String>>,
}

/// The server's time, and ours when it was learnt.
#[derive(Clone, Copy, Debug)]
struct Clock {
    server: Timestamp,
    monotonic: Instant,
    wall: SystemTime,
}

impl Traffic {
    /// Requests sent so far, repeated ones included.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether the server has answered anything yet.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) > 0
    }

    /// The `Date` of the newest answer (1 s).
    pub(super) fn server_now(&self) -> Option<Timestamp> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner).map(|clock| clock.server)
    }

    /// The server's time now, reckoned from its last answer; local time before the first one.
    pub(super) fn now(&self) -> Timestamp {
        let clock = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(clock) = clock else { return Timestamp::now() };
        // The monotonic clock stands still while the machine sleeps and the wall clock may be set back: the one
        // that ran further is nearer to the truth.
        let elapsed = clock.monotonic.elapsed().max(clock.wall.elapsed().unwrap_or_default());
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO);
        clock.server.checked_add(elapsed).unwrap_or(clock.server)
    }

    /// Takes the warnings of the server (deprecated versions, unknown fields) that came since the last call.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answered(&self, headers: &HeaderMap) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(server) = headers.get(header::DATE).and_then(|d| http_date(d.to_str().ok()?)) {
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Clock { server, monotonic: Instant::now(), wall: SystemTime::now() });
        }
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in headers.get_all(header::WARNING).iter().filter_map(|w| warning_text(w.to_str().ok()?)) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
}

/// Reads `Sat, 22 Nov 2025 16:00:00 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// The text of `299 - "words"`, the only shape that Kubernetes sends.
fn warning_text(value: &str) -> Option<String> {
    let quoted = value.strip_prefix("299 ")?.split_once('"')?.1;
    let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
    Some(clean(&quoted.replace("\\\"", "\"").replace("\\\\", "\\")))
}

/// Puts `Watched` around a service.
#[derive(Clone)]
pub(super) struct TrafficLayer {
    /// Where to keep what is seen.
    pub traffic: Arc<Traffic>,
    /// `-v`.
    pub verbosity: u8,
    /// Where the log goes.
    pub log: Option<fn(&str)>,
    /// The server's base URL, for the log.
    pub server: Uri,
    /// Whether a later layer adds an `Authorization` header, to be shown masked.
    pub authorized: bool,
}

impl<S> Layer<S> for TrafficLayer {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Watched { inner, layer: self.clone() }
    }
}

/// A service whose traffic is seen.
pub(super) struct Watched<S> {
    inner: S,
    layer: TrafficLayer,
}

impl<S, B> Service<Request<Body>> for Watched<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let layer = self.layer.clone();
        layer.traffic.sent.fetch_add(1, Ordering::Relaxed);
        let head = layer
            .log
            .filter(|_| layer.verbosity >= 6)
            .map(|log| (log, request.method().clone(), request.uri().clone(), request.headers().clone()));
        let started = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into);
            if let Ok(response) = &answer {
                layer.traffic.answered(response.headers());
            }
            if let Some((log, method, uri, headers)) = head {
                let response = answer.as_ref().ok().map(|r| (r.status(), r.headers()));
                let line = Line { method, uri, headers, took: started.elapsed().as_millis(), response };
                log(&line.text(&layer, Timestamp::now()));
            }
            answer
        })
    }
}

/// Where bodies are told, which whoever has them does.
#[derive(Clone, Copy)]
pub(super) struct Bodies {
    /// Where the log goes.
    pub log: Option<fn(&str)>,
    /// `-v`.
    pub verbosity: u8,
}

impl Bodies {
    /// Tells the beginning of a body, as kubectl does from `-v=8` on.
    pub(super) fn tell(self, title: &str, url: &str, body: &[u8]) {
        if let Some(log) = self.log.filter(|_| self.verbosity >= 8 && !body.is_empty()) {
            log(&format!("{} {title}: {}\n", stamp(Timestamp::now()), shown(self.verbosity, url, body)));
        }
    }
}

/// As much of a body as the verbosity allows, and nothing where a Secret may be in it.
fn shown(verbosity: u8, url: &str, body: &[u8]) -> String {
    if is_confidential(url) {
        return format!("<masked, {} bytes>", body.len());
    }
    let limit = match verbosity {
        ..=8 => 1024,
        9 => 10240,
        10.. => usize::MAX,
    };
    let text = clean(&String::from_utf8_lossy(body));
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{} [truncated, {} bytes in all]", &text[..at], body.len()),
        None => text,
    }
}

/// Secrets, and what containers print, which may be the same. Their names are in URLs at most.
fn is_confidential(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    path.split('/').any(|part| part == "secrets" || part == "log")
}

/// Before each line, as klog has it.
fn stamp(now: Timestamp) -> String {
    now.strftime("I%m%d %H:%M:%S%.6f").to_string()
}

/// One request and its answer, to be logged.
struct Line<'a> {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    took: u128,
    response: Option<(StatusCode, &'a HeaderMap)>,
}

impl Line<'_> {
    /// As kubectl writes it, in UTC. Ends with a newline.
    fn text(&self, layer: &TrafficLayer, now: Timestamp) -> String {
        let stamp = stamp(now);
        let server = layer.server.to_string();
        let url = format!("{}{}", server.trim_end_matches('/'), self.uri);
        let outcome = match self.response {
            Some((status, _)) => format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default()),
            None => "failed".into(),
        };
        let mut text = format!("{stamp} {} {url} {} in {} milliseconds\n", self.method, outcome.trim_end(), self.took);
        let mut list = |title: &str, headers: &HeaderMap, authorized: bool| {
            let _ = writeln!(text, "{stamp} {title}:");
            if authorized {
                let _ = writeln!(text, "{stamp}     Authorization: <masked>");
            }
            for (name, value) in headers {
                let value =
                    if is_secret(name) { "<masked>".into() } else { clean(&String::from_utf8_lossy(value.as_bytes())) };
                let _ = writeln!(text, "{stamp}     {name}: {value}");
            }
        };
        if layer.verbosity >= 7 {
            list("Request Headers", &self.headers, layer.authorized);
        }
        if let (8.., Some((_, headers))) = (layer.verbosity, self.response) {
            list("Response Headers", headers, false);
        }
        text
    }
}

fn is_secret(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::SET_COOKIE].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn date_and_warnings_are_kept() {
        let traffic = Traffic::default();
        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, HeaderValue::from_static("Sat, 22 Nov 2025 16:00:00 GMT"));
        for _ in 0..2 {
            headers.append(header::WARNING, HeaderValue::from_static(r#"299 - "unknown field \"spec.x\"""#));
        }
        traffic.answered(&headers);
        assert_eq!(traffic.server_now().map(|t| t.to_string()).as_deref(), Some("2025-11-22T16:00:00Z"));
        assert!(traffic.now() >= "2025-11-22T16:00:00Z".parse().unwrap());
        assert!(traffic.has_answered());
        assert_eq!(traffic.take_warnings(), ["unknown field \"spec.x\""]);
        assert!(traffic.take_warnings().is_empty());
    }

    #[test]
    fn bodies_are_cut_and_those_of_secrets_masked() {
        let long = "x".repeat(20_000);
        assert_eq!(shown(8, "/api/v1/pods", b"{}"), "{}");
        assert_eq!(shown(8, "/api/v1/pods", long.as_bytes()).len(), 1024 + " [truncated, 20000 bytes in all]".len());
        assert!(shown(9, "/api/v1/pods", long.as_bytes()).len() > 10_240);
        assert_eq!(shown(10, "/api/v1/pods", long.as_bytes()), long);
        for url in [
            "/api/v1/namespaces/n/secrets?limit=1",
            "/api/v1/namespaces/n/secrets/s",
            "/api/v1/namespaces/n/pods/p/log?x=y",
        ] {
            assert_eq!(shown(10, url, b"hunter2"), "<masked, 7 bytes>");
        }
    }

    #[test]
    fn the_log_shows_no_credentials() {
        let layer = TrafficLayer {
            traffic: Arc::default(),
            verbosity: 7,
            log: None,
            server: Uri::from_static("https://h:6443/"),
            authorized: true,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t0ken"));
        let answer = HeaderMap::new();
        let line = Line {
            method: Method::GET,
            uri: Uri::from_static("/api/v1/pods?limit=1"),
            headers,
            took: 3,
            response: Some((StatusCode::OK, &answer)),
        };
        let text = line.text(&layer, "2025-11-22T16:00:00.123456Z".parse().unwrap());
        let stamp = "I1122 16:00:00.123456";
        assert!(
            text.starts_with(&format!("{stamp} GET https://h:6443/api/v1/pods?limit=1 200 OK in 3 milliseconds\n"))
        );
        assert!(text.contains("accept: application/json") && !text.contains("t0ken"));
    }
}
