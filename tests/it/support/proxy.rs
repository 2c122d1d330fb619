//! A proxy between the plugin and the API server that does harm on demand: to one named request, or to all of them.
//!
//! It passes everything on under the test cluster's own credentials, watches as they come, and names what it saw. What
//! a fault means for the plugin is not judged here.

use super::cluster::Cluster;
use super::point::{Point, call};
use futures::stream::{self, StreamExt as _};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is not passed on; the answer is this status: 409, 429 or 500.
    Answer(u16),
    /// The connection breaks before it is passed on.
    CutBefore,
    /// The server does it, and the connection breaks before the answer.
    CutAfter,
    /// It is not passed on, and there is no answer for as long as the plugin waits.
    HoldBefore,
    /// The server does it, and there is no answer for as long as the plugin waits.
    HoldAfter,
    /// The connection breaks in the middle of the first thing that the answer tells.
    CutWithin,
}

/// What has passed since the last [`Proxy::begin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub requests: u64,
    /// Bytes of the bodies from the plugin.
    pub sent: u64,
    /// Bytes of the bodies to the plugin.
    pub received: u64,
}

/// A running proxy. Dropped, it ends with all of its connections.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    kubeconfig: tempfile::NamedTempFile,
    runtime: Option<Runtime>,
}

struct Shared {
    client: kube::Client,
    state: Mutex<State>,
    /// False: the network is gone.
    plugged: watch::Sender<bool>,
    sent: AtomicU64,
    received: AtomicU64,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    seen: Vec<Point>,
    counts: HashMap<String, u32>,
    fault: Option<(Point, Fault)>,
    hit: bool,
}

/// Why a connection ends: on purpose.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

type Answer = Response<UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

impl Proxy {
    /// Starts a proxy to the test cluster, on a port of its own.
    pub fn start(cluster: &Cluster) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (shared, listener) = runtime.block_on(async {
            let mut config = cluster.config().await;
            config.default_retry = false;
            let shared = Shared {
                client: kube::Client::try_from(config).expect("a client"),
                state: Mutex::default(),
                plugged: watch::Sender::new(true),
                sent: AtomicU64::default(),
                received: AtomicU64::default(),
            };
            (Arc::new(shared), TcpListener::bind(("127.0.0.1", 0)).await.expect("a port"))
        });
        let address = listener.local_addr().expect("the port's number");
        runtime.spawn(accept(Arc::clone(&shared), listener));
        let kubeconfig = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "current-context": "proxy",
        });
        std::fs::write(kubeconfig.path(), text.to_string()).expect("a kubeconfig can be written");
        Self { shared, address, kubeconfig, runtime: Some(runtime) }
    }

    /// The kubeconfig that leads through it.
    pub fn kubeconfig(&self) -> &std::path::Path {
        self.kubeconfig.path()
    }

    /// The same command, on the way through the proxy.
    pub fn through(&self, mut command: Command) -> Command {
        command.env("KUBECONFIG", self.kubeconfig.path()).env("NO_PROXY", "127.0.0.1");
        command
    }

    /// Counts from anew. The fault, if there is one, befalls its point once.
    pub fn begin(&self, fault: Option<(Point, Fault)>) {
        *self.shared.state() = State { fault, ..State::default() };
        self.shared.sent.store(0, Ordering::Relaxed);
        self.shared.received.store(0, Ordering::Relaxed);
    }

    /// All requests since [`Self::begin`], in the order in which they came.
    pub fn seen(&self) -> Vec<Point> {
        self.shared.state().seen.clone()
    }

    /// Whether the fault's point was reached. Of one that holds after the server's work: whether that is done.
    pub fn was_hit(&self) -> bool {
        self.shared.state().hit
    }

    /// What has passed since [`Self::begin`].
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.shared.state().seen.len() as u64,
            sent: self.shared.sent.load(Ordering::Relaxed),
            received: self.shared.received.load(Ordering::Relaxed),
        }
    }

    /// Creates objects behind the plugin's back, many at a time. They do not count.
    pub fn create_all(&self, path: &str, objects: impl Iterator<Item = Value>) {
        let runtime = self.runtime.as_ref().expect("it lives until it is dropped");
        let create = |object: Value| {
            let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
            let request = request.body(object.to_string().into_bytes()).expect("a request");
            async { self.shared.client.request::<Value>(request).await.expect("it can be created") }
        };
        runtime.block_on(stream::iter(objects).map(create).buffer_unordered(16).for_each(|_| std::future::ready(())));
    }

    /// The network goes: all connections break, new ones are refused, until [`Self::plug_in`].
    pub fn unplug(&self) {
        self.shared.plugged.send_replace(false);
        // The port is closed by its task, a moment later.
        while std::net::TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// The network is back.
    pub fn plug_in(&self) {
        if self.shared.plugged.send_replace(true) {
            return;
        }
        let runtime = self.runtime.as_ref().expect("it lives until it is dropped");
        let listener = runtime.block_on(TcpListener::bind(self.address)).expect("the port is still free");
        runtime.spawn(accept(Arc::clone(&self.shared), listener));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves connections until the network goes.
async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut plugged = shared.plugged.subscribe();
    loop {
        let connection = tokio::select! {
            _ = plugged.wait_for(|plugged| !plugged) => return,
            connection = listener.accept() => connection,
        };
        let Ok((connection, _)) = connection else { continue };
        let shared = Arc::clone(&shared);
        let mut plugged = plugged.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| serve(Arc::clone(&shared), request));
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            tokio::select! {
                // It ends with an error when it was cut, or the plugin is gone.
                _ = serving => {}
                _ = plugged.wait_for(|plugged| !plugged) => {}
            }
        });
    }
}

/// One request: passed on, unless it is the fault's. An error breaks the connection.
async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    shared.sent.fetch_add(body.len() as u64, Ordering::Relaxed);
    let call = call(&head.method, head.uri.path(), head.uri.query().unwrap_or_default(), &body);
    let fault = shared.state().arrive(call);
    match fault {
        Some(Fault::Answer(code)) => {
            shared.state().hit = true;
            return Ok(refusal(code, &head.method));
        }
        Some(Fault::CutBefore) => {
            shared.state().hit = true;
            return Err(Cut);
        }
        Some(Fault::HoldBefore) => {
            shared.state().hit = true;
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let mut onward = Request::new(Body::from(body));
    *onward.method_mut() = head.method;
    *onward.uri_mut() = head.uri.path_and_query().expect("a path").as_str().parse().expect("it was one before");
    *onward.headers_mut() = head.headers;
    for header in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        onward.headers_mut().remove(header);
    }
    let answer = shared.client.send(onward).await.map_err(|_| Cut)?;
    let (head, body) = answer.into_parts();
    let body = match fault {
        Some(Fault::CutAfter | Fault::HoldAfter) => {
            let _ = body.collect().await;
            shared.state().hit = true;
            if fault == Some(Fault::HoldAfter) {
                std::future::pending::<()>().await;
            }
            return Err(Cut);
        }
        Some(Fault::CutWithin) => {
            let whole = BodyStream::new(body).take(1).map(move |frame| {
                shared.state().hit = true;
                let half = frame.ok().and_then(|frame| frame.into_data().ok()).unwrap_or_default();
                Ok(Frame::data(half.slice(..half.len() / 2)))
            });
            UnsyncBoxBody::new(StreamBody::new(whole.chain(stream::iter([Err(Cut.into())]))))
        }
        _ => UnsyncBoxBody::new(body.map_err(Into::into).map_frame(move |frame| {
            let size = frame.data_ref().map_or(0, Bytes::len);
            shared.received.fetch_add(size as u64, Ordering::Relaxed);
            frame
        })),
    };
    let mut answer = Response::from_parts(head, body);
    // The way from here to the plugin is framed anew.
    answer.headers_mut().remove(header::TRANSFER_ENCODING);
    Ok(answer)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes a request, and says what is to befall it.
    fn arrive(&mut self, call: String) -> Option<Fault> {
        let count = self.counts.entry(call.clone()).or_default();
        *count += 1;
        let point = Point { call, nth: *count };
        let fault = self.fault.as_ref().filter(|(at, _)| *at == point).map(|(_, fault)| *fault);
        self.seen.push(point);
        fault
    }
}

/// What an API server answers that cannot do what it is asked.
fn refusal(code: u16, method: &http::Method) -> Answer {
    let (reason, message) = match code {
        409 if method == http::Method::POST => ("AlreadyExists", "it exists already"),
        409 => ("Conflict", "the object has been modified; please apply your changes to the latest version"),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        _ => ("InternalError", "an internal error, made on purpose"),
    };
    let status = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "metadata": {},
    });
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = StatusCode::from_u16(code).expect("a status code");
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if code == 429 {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}
