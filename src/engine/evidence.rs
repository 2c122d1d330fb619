//! Collecting what a failure leaves behind: the container's reason, the Pod's events, the last log lines.
//!
//! Done before anything else is done, since a rollback would destroy it. Every Secret value of the instance is
//! masked and every control character stripped here, where the text enters the program.

use crate::cluster::Cluster;
use crate::object::mask::{Mask, printable_line};
use crate::object::trouble::Trouble;
use crate::object::{ObjectRef, text, uid};
use crate::report::evidence::{EventLine, Evidence};
use serde_json::Value;

/// Log lines that are kept per container.
const LOG_LINES: u32 = 20;
/// Bytes of log that are read per container.
const LOG_BYTES: u32 = 16 * 1024;
/// What the kubelet answers, as if it were the log, when the container is gone already.
const NO_LOG: [&str; 2] = ["unable to retrieve container logs", "failed to try resolving symlinks in path"];
/// Events that are kept.
const EVENTS: usize = 6;

/// Collects what the cluster knows about a trouble of `object` (a Pod, or a controller that cannot make one).
/// Best effort: what cannot be read is left out.
pub async fn collect(cluster: &Cluster, object: &Value, trouble: &Trouble, mask: &Mask) -> Evidence {
    let clean = |text: &str| printable_line(&mask.apply(text));
    let Some(reference) = ObjectRef::of(object) else { return bare(trouble, clean) };
    let is_pod = reference.kind == "Pod";
    let events = async { cluster.events(&reference, uid(object)).await.unwrap_or_default() };
    let log = async {
        let Some(container) = trouble.container.as_deref().filter(|_| is_pod) else { return String::new() };
        // After a crash the words that matter are the last container's; if it still runs, its own.
        for previous in [true, false] {
            let lines = cluster.log_tail(&reference, container, previous, LOG_LINES, LOG_BYTES).await;
            match lines {
                Ok(lines) if !lines.trim().is_empty() && !NO_LOG.iter().any(|answer| lines.starts_with(answer)) => {
                    return lines;
                }
                _ => {}
            }
        }
        String::new()
    };
    let (events, log) = futures::future::join(events, log).await;
    let from = events.len().saturating_sub(EVENTS);
    Evidence {
        pod: is_pod.then(|| reference.name.clone()),
        node: text(object, "/spec/nodeName").map(ToOwned::to_owned).filter(|_| is_pod),
        events: events[from..].iter().map(|event| event_line(event, clean)).collect(),
        // Masked as a whole first: a Secret value may span lines.
        log: mask.apply(&log).lines().map(printable_line).collect(),
        ..bare(trouble, clean)
    }
}

fn bare(trouble: &Trouble, clean: impl Fn(&str) -> String) -> Evidence {
    Evidence {
        summary: trouble.summary.clone(),
        pod: None,
        node: None,
        container: trouble.container.clone(),
        image: trouble.image.clone(),
        reason: trouble.reason.clone(),
        message: clean(&trouble.message),
        events: Vec::new(),
        log: Vec::new(),
    }
}

fn event_line(event: &Value, clean: impl Fn(&str) -> String) -> EventLine {
    let time = ["/lastTimestamp", "/eventTime", "/firstTimestamp"].iter().find_map(|at| text(event, at)?.parse().ok());
    EventLine {
        time,
        reason: clean(text(event, "/reason").unwrap_or("")),
        message: clean(text(event, "/message").unwrap_or("")),
    }
}
