//! What only Pods have: eviction and logs.

use super::{
    Cluster, ClusterError, FIELD_MANAGER, Run,
    request::{Ask, JSON},
    resource::with_query,
};
use crate::object::ObjectRef;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What became of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The Pod is on its way out.
    Accepted,
    /// There was no such Pod any more.
    Gone,
    /// A disruption budget forbids it for now; the budget's words.
    Blocked(String),
}

/// The `Eviction` object to send.
fn eviction(pod: &ObjectRef, uid: &str, run: Run) -> Value {
    let mut options = json!({"preconditions": {"uid": uid}});
    if run == Run::Dry {
        options["dryRun"] = json!(["All"]);
    }
    json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": options,
    })
}

/// Sorts the server's answer to an eviction.
fn outcome(answer: Result<Vec<u8>, ClusterError>) -> Result<Eviction, ClusterError> {
    let error = match answer {
        Ok(_) => return Ok(Eviction::Accepted),
        Err(error) => error,
    };
    if error.is_not_found() {
        return Ok(Eviction::Gone);
    }
    let ClusterError::Api { verb, what, mut status } = error else { return Err(error) };
    if status.code == 429
        && let Some(cause) = status.cause("DisruptionBudget")
    {
        let words = if cause.message.is_empty() { &status.message } else { &cause.message };
        return Ok(Eviction::Blocked(words.clone()));
    }
    if status.code == 500 && status.message.contains("more than one PodDisruptionBudget") {
        // The server calls it an internal error, but it stays until somebody changes a budget: no transient one.
        status.code = 422;
        status.reason = "MoreThanOneBudget".into();
        status.message = "more than one PodDisruptionBudget covers it, and the server evicts no such Pod".into();
    }
    Err(ClusterError::Api { verb, what, status })
}

impl Cluster {
    /// Evicts a Pod, so that disruption budgets hold. Compare the UID by a read first: a failed precondition here
    /// charges the budget for two minutes.
    ///
    /// # Errors
    /// `is_conflict` when the Pod has another UID; reason `MoreThanOneBudget` when several budgets cover the Pod;
    /// whatever else befell the request.
    pub async fn evict(&self, pod: &ObjectRef, uid: &str, run: Run) -> Result<Eviction, ClusterError> {
        let mut query = vec![("fieldManager", FIELD_MANAGER)];
        if run == Run::Dry {
            query.push(("dryRun", "All"));
        }
        let url = with_query(&format!("{}/eviction", self.object_path(pod).await?), &query);
        let ask = Ask::about(Method::POST, url, "evict", pod).body(JSON, &eviction(pod, uid, run));
        outcome(self.ask_raw(&if run == Run::Dry { ask.repeatable() } else { ask }).await)
    }

    /// The last lines of a container's log, at most `lines` of them and `bytes` bytes, whole lines; with `previous`
    /// those of the container before the last restart.
    ///
    /// # Errors
    /// `is_not_found` when there is no such Pod; a container that has not started, or has no previous one, is a 400
    /// in the server's words; whatever else befell the request.
    pub async fn log_tail(
        &self,
        pod: &ObjectRef,
        container: &str,
        previous: bool,
        lines: u32,
        bytes: u32,
    ) -> Result<String, ClusterError> {
        // The server's own limit counts from the first of the lines, and would cut off the newest: ask for more
        // than is wanted and cut here.
        let limit = bytes.saturating_mul(16).clamp(256 << 10, 4 << 20).to_string();
        let lines = lines.to_string();
        let mut query = vec![("container", container), ("tailLines", &lines), ("limitBytes", &limit)];
        if previous {
            query.push(("previous", "true"));
        }
        let url = with_query(&format!("{}/log", self.object_path(pod).await?), &query);
        // Not JSON: an unwelcome Accept is answered with 406.
        let ask = Ask::about(Method::GET, url, "read the log of", pod).accept("*/*");
        let log = self.ask_raw(&ask).await?;
        Ok(tail(&String::from_utf8_lossy(&log), usize::try_from(bytes).unwrap_or(usize::MAX)).to_owned())
    }

    /// Whether a container has ended, as its runtime knows it: the log of one that has ended, followed, ends
    /// within this time of its beginning; that of one that runs goes on. A Pod's status tells of an end up to a second
    /// later, when the kubelet has looked again. What cannot be asked counts as running.
    pub async fn has_ended(&self, pod: &ObjectRef, container: &str, within: Duration) -> bool {
        let query = [("container", container), ("follow", "true"), ("tailLines", "0")];
        let Ok(path) = self.object_path(pod).await else { return false };
        let url = with_query(&format!("{path}/log"), &query);
        self.ends(&Ask::about(Method::GET, url, "follow the log of", pod).accept("*/*"), within).await
    }
}

/// The last whole lines that fit; of a single longer line its end.
fn tail(log: &str, bytes: usize) -> &str {
    if log.len() <= bytes {
        return log;
    }
    let mut start = log.len() - bytes;
    while !log.is_char_boundary(start) {
        start += 1;
    }
    let cut = &log[start..];
    if log[..start].ends_with('\n') {
        return cut;
    }
    match cut.split_once('\n') {
        Some((_, whole)) if !whole.is_empty() => whole,
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Cause, Status};

    fn answer(code: u16, message: &str, cause: Option<(&str, &str)>) -> Result<Vec<u8>, ClusterError> {
        let causes = cause.map(|(reason, message)| Cause {
            reason: reason.into(),
            message: message.into(),
            field: String::new(),
        });
        let status =
            Status { code, message: message.into(), causes: causes.into_iter().collect(), ..Status::default() };
        Err(ClusterError::Api { verb: "evict".into(), what: "Pod p in namespace x".into(), status: Box::new(status) })
    }

    #[test]
    fn answers_to_an_eviction_are_told_apart() {
        assert_eq!(outcome(Ok(vec![])).unwrap(), Eviction::Accepted);
        assert_eq!(outcome(answer(404, "", None)).unwrap(), Eviction::Gone);
        let words = "The disruption budget web needs 3 healthy pods and has 2 currently";
        let blocked = outcome(answer(429, "Cannot evict pod", Some(("DisruptionBudget", words))));
        assert_eq!(blocked.unwrap(), Eviction::Blocked(words.into()));
        let busy = outcome(answer(429, "too many requests", None)).unwrap_err();
        assert!(busy.is_too_many_requests() && busy.is_transient());
        assert!(outcome(answer(409, "uid", None)).unwrap_err().is_conflict());
    }

    #[test]
    fn two_budgets_on_one_pod_are_no_passing_trouble() {
        let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        let error = outcome(answer(500, text, None)).unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().starts_with("cannot evict Pod p in namespace x: more than one PodDisruptionBudget"));
    }

    #[test]
    fn an_eviction_names_the_pod_and_its_uid() {
        let object = eviction(&ObjectRef::new("v1", "Pod", Some("x"), "p"), "u", Run::Dry);
        assert_eq!(object["deleteOptions"], json!({"preconditions": {"uid": "u"}, "dryRun": ["All"]}));
        assert_eq!(object["metadata"], json!({"name": "p", "namespace": "x"}));
    }

    #[test]
    fn a_log_is_cut_at_its_beginning_and_at_a_line() {
        assert_eq!(tail("one\ntwo\nthree\n", 100), "one\ntwo\nthree\n");
        assert_eq!(tail("one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(tail("one\ntwo\nthree\n", 10), "two\nthree\n");
        assert_eq!(tail("0123456789", 4), "6789");
        assert_eq!(tail("ääää", 3), "ä");
    }
}
