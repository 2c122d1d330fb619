//! Names for requests, the same in every run: what is asked of which object, and for which time.

use http::Method;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// One request of a run: the n-th one that asks the same. A number in the order of all requests would not do, since
/// many are under way at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Verb, resource and object, such as `patch configmaps cm-data`.
    pub call: String,
    /// The how manieth of its call, from 1.
    pub nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.call, self.nth)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(" #").and_then(|(call, nth)| Some((call.to_owned(), nth.parse().ok()?)));
        let (call, nth) = parts.ok_or_else(|| format!("{text:?} is no fault point, such as \"get pods web #1\""))?;
        Ok(Self { call, nth })
    }
}

impl Point {
    /// The request's verb: one of the API's, or `review` (of access rights), `dry-create` and the like.
    pub fn verb(&self) -> &str {
        self.call.split(' ').next().unwrap_or_default()
    }

    /// Whether the request changes something on the server.
    pub fn writes(&self) -> bool {
        matches!(self.verb(), "create" | "update" | "patch" | "delete" | "evict")
    }
}

/// What a request asks: verb, resource and object, without what differs from run to run.
pub fn call(method: &Method, path: &str, query: &str, body: &[u8]) -> String {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // `api/v1` and `apis/GROUP/VERSION`, then `namespaces/NAMESPACE` for what lives in one.
    segments.drain(..if segments.first() == Some(&"api") { 2 } else { 3 }.min(segments.len()));
    if segments.len() > 2 && segments[0] == "namespaces" {
        segments.drain(..2);
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let resource = segments.first().copied().unwrap_or("discovery");
    if resource == "selfsubjectaccessreviews" {
        return format!("review {}", asked_right(&body["spec"]["resourceAttributes"]));
    }
    let name = segments.get(1).copied().or(body["metadata"]["name"].as_str()).unwrap_or_default();
    let verb = match method.as_str() {
        "GET" if query.contains("watch=true") => "watch",
        "GET" if segments.len() > 1 => "get",
        "GET" => "list",
        "POST" if segments.get(2) == Some(&"eviction") => "evict",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        other => other,
    };
    let dry = if query.contains("dryRun=All") || !body["deleteOptions"]["dryRun"].is_null() { "dry-" } else { "" };
    let part = segments.get(2).filter(|part| **part != "eviction").map(|part| format!("/{part}")).unwrap_or_default();
    format!("{dry}{verb} {resource}{part} {}", steady(resource, name)).trim_end().to_owned()
}

fn asked_right(attributes: &Value) -> String {
    let text = |key: &str| attributes[key].as_str().unwrap_or_default();
    let part = if text("subresource").is_empty() { String::new() } else { format!("/{}", text("subresource")) };
    format!("{} {}{part}", text("verb"), text("resource"))
}

/// A name without what differs from run to run: UUIDs, digests, and what controllers append to the names of Pods.
fn steady(resource: &str, name: &str) -> String {
    let mut words: Vec<&str> = name.split('-').collect();
    if resource == "pods" {
        // The alphabet of Kubernetes' random names has no vowels, so that they are told from words.
        let random = |word: &str| word.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte));
        if words.len() > 1 && words.last().is_some_and(|word| word.len() == 5 && random(word)) {
            words.pop();
            if words.len() > 1 && words.last().is_some_and(|word| (8..=10).contains(&word.len()) && random(word)) {
                words.pop();
            }
            words.push("*");
        }
    }
    let hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut steady: Vec<&str> = Vec::new();
    let mut rest = words.as_slice();
    while let Some((word, others)) = rest.split_first() {
        let uuid = rest.len() >= 5 && rest[..5].iter().map(|word| word.len()).eq([8, 4, 4, 4, 12]);
        if uuid && rest[..5].iter().all(|word| hex(word)) {
            steady.push("*");
            rest = &rest[5..];
        } else {
            steady.push(if word.len() >= 16 && hex(word) { "*" } else { word });
            rest = others;
        }
    }
    steady.join("-")
}

#[test]
fn requests_have_the_same_names_in_every_run() {
    let of = |method: Method, url: &str, body: &str| {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        call(&method, path, query, body.as_bytes())
    };
    let record = "/api/v1/namespaces/x/configmaps/vnf-op-1b4e28ba-2fa1-41d2-883f-0016d3cca427";
    assert_eq!(of(Method::GET, record, ""), "get configmaps vnf-op-*");
    assert_eq!(of(Method::GET, "/api/v1/namespaces/x/pods?watch=true&a=b", ""), "watch pods");
    assert_eq!(of(Method::GET, "/api/v1/namespaces/x", ""), "get namespaces x");
    let body = r#"{"metadata": {"name": "web"}}"#;
    assert_eq!(
        of(Method::POST, "/apis/apps/v1/namespaces/x/deployments?dryRun=All", body),
        "dry-create deployments web"
    );
    assert_eq!(of(Method::POST, "/api/v1/namespaces/x/pods/web-5d87858fc6-x7k2p/eviction", ""), "evict pods web-*");
    assert_eq!(of(Method::DELETE, "/api/v1/namespaces/x/pods/env-test", ""), "delete pods env-test");
    let review =
        r#"{"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "subresource": "eviction"}}}"#;
    assert_eq!(
        of(Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review),
        "review create pods/eviction"
    );
    let point: Point = "get pods web-* #3".parse().expect("a point");
    assert_eq!((point.to_string().as_str(), point.verb(), point.nth), ("get pods web-* #3", "get", 3));
}
