//! Failing early: the states of Pods from which waiting does not help, each with the patience it deserves, so that
//! a hiccup is not a failure.
//!
//! [`troubles`] reads one Pod as it is now and remembers nothing. [`Patient`](patience::Patient) remembers across
//! watch events and says when a trouble has used up its patience. Only containers newer than the operation's
//! snapshot count: what was broken before is not this operation's failure.
//!
//! What the status shows (kubelet): a pull that fails gives ErrImagePull, then ImagePullBackOff until the next
//! try. When an *in-place* restart cannot pull, the Pod soon shows CrashLoopBackOff instead, with the **old**
//! container as last state: the crash back-off goes before the pull. The same picture, without any pull error,
//! appears when a container is changed several times in a row and the kubelet holds it back; that heals by itself.

pub mod patience;

use super::health::wanted_pods;
use super::pod::{self, ContainerState, Snapshot, condition, container_states};
use super::workload::{self, ContainerClass, WorkloadKind};
use super::{text, uid};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long a state is borne before it is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all: it cannot change by itself.
    Now,
    /// Until it fails a second time.
    SecondTime,
    /// Until the new container has ended three times.
    ThirdExit,
    /// As long as it lasts this long without a break.
    After(Duration),
    /// As [`Patience::After`], unless a look at what it complains of confirms it at once.
    Confirmed(Duration),
}

/// What kind of trouble it is: the states of one kind are one story, whatever the kubelet calls them in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Family {
    /// The image cannot be had.
    Pull,
    /// The container cannot be made or started.
    Start,
    /// What its configuration needs is missing or refused.
    Config,
    /// It runs, and ends.
    Crash,
    /// The kubelet holds it back after its predecessor ended.
    Held,
    /// No node takes the Pod.
    Unschedulable,
    /// The Pod has ended and nothing restarts it.
    Ended,
    /// A controller cannot create Pods.
    Create,
    /// None of these: it takes its time.
    Slow,
}

/// One thing that is wrong with a Pod or a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind it is.
    pub family: Family,
    /// The cluster's word: `ErrImagePull`, `CrashLoopBackOff`, `Unschedulable` ...
    pub reason: String,
    /// The cluster's explanation, as it came; may be empty. To be cleaned before it is shown.
    pub message: String,
    /// The container; `None` when it is the whole Pod's.
    pub container: Option<String>,
    /// The image that the container's spec asks for.
    pub image: Option<String>,
    /// In words: `the image cannot be pulled`.
    pub summary: String,
    /// How often it has failed, as far as is known: exits of the new container, or failed tries seen. At least 1.
    pub times: u64,
    /// How long it is borne.
    pub patience: Patience,
}

/// A missing key: the kubelet shows the error up to 8 s after the object has come (measured), hence 15 s.
const CONFIG: Duration = Duration::from_secs(15);
/// Nodes come and go, Pods free their place.
const UNSCHEDULABLE: Duration = Duration::from_secs(60);
/// A refusal to create is tried again with growing pauses, and a slot may come free.
const CREATE: Duration = Duration::from_secs(15);
/// Longer than the kubelet's longest back-off (5 minutes), after which it tries and tells the truth.
const HELD: Duration = Duration::from_secs(330);
/// Why the kubelet has no image for a container (`kubelet/images`).
const PULL: [&str; 7] = [
    "InvalidImageName",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
/// A container that ends sooner than this did not really run (seconds).
const AT_ONCE: f64 = 10.0;

/// What is wrong with a Pod now. `before` is its snapshot; one of another Pod (another UID) is passed over. Order:
/// the Pod itself, then init containers, then containers.
pub fn troubles(pod: &Value, before: Option<&Snapshot>) -> Vec<Trouble> {
    if pod::terminating(pod) {
        return Vec::new();
    }
    let before = before.filter(|snapshot| snapshot.uid == uid(pod));
    let mut found: Vec<Trouble> = Vec::new();
    found.extend(unschedulable(pod, before));
    if !status_is_stale(pod, before) {
        let bare = workload::controller_uid(pod).is_none();
        found.extend(container_states(pod).iter().filter_map(|state| of_container(state, before, bare)));
    }
    if found.is_empty() {
        found.extend(ended(pod, before));
    }
    found
}

/// A Pod that was patched and whose kubelet has not seen it yet still shows the state of the former image.
fn status_is_stale(pod: &Value, before: Option<&Snapshot>) -> bool {
    let number = |pointer: &str| pod.pointer(pointer).and_then(Value::as_i64);
    before.is_some()
        && matches!((number("/status/observedGeneration"), number("/metadata/generation")), (Some(seen), Some(now)) if seen < now)
}

/// No node takes it. A Pod that stands in the snapshot was unschedulable before the operation.
fn unschedulable(pod: &Value, before: Option<&Snapshot>) -> Option<Trouble> {
    let scheduled = condition(pod, "PodScheduled")?;
    let is = |pointer: &str, expected: &str| text(scheduled, pointer) == Some(expected);
    if before.is_some() || !is("/status", "False") || !is("/reason", "Unschedulable") {
        return None;
    }
    Some(Trouble {
        family: Family::Unschedulable,
        reason: "Unschedulable".into(),
        message: text(scheduled, "/message").unwrap_or("").to_owned(),
        container: None,
        image: None,
        summary: "no node takes the Pod".into(),
        times: 1,
        patience: Patience::After(UNSCHEDULABLE),
    })
}

/// A bare Pod in phase Failed. A controller replaces its failed Pods, which then lie about for long.
fn ended(pod: &Value, before: Option<&Snapshot>) -> Option<Trouble> {
    let was_running = before.is_none_or(|snapshot| snapshot.containers.values().any(|container| container.running));
    if pod::phase(pod) != "Failed" || workload::controller_uid(pod).is_some() || !was_running {
        return None;
    }
    let reason = pod::reason(pod);
    Some(Trouble {
        family: Family::Ended,
        summary: if reason == "Evicted" {
            "the node evicted the Pod"
        } else {
            "the Pod failed, and nothing restarts it"
        }
        .into(),
        reason,
        message: text(pod, "/status/message").unwrap_or("").to_owned(),
        container: None,
        image: None,
        times: 1,
        patience: Patience::Now,
    })
}

/// What the snapshot says about the container that is there now.
struct Age {
    /// The newest container (running or ended) is not the snapshot's.
    newest_is_new: bool,
    /// The image of the spec was changed since, so whatever the kubelet tries is new.
    image_changed: bool,
    /// A waiting state was reached after the snapshot.
    waits_since: bool,
    /// Exits of new containers, if the newest one has ended.
    exits: u64,
}

impl Age {
    fn of(state: &ContainerState<'_>, before: Option<&Snapshot>) -> Self {
        let Some(then) = before.and_then(|snapshot| snapshot.containers.get(state.spec.name)) else {
            return Self {
                newest_is_new: !state.id().is_empty(),
                image_changed: true,
                waits_since: true,
                exits: state.restarts() + 1,
            };
        };
        let newest_is_new = !state.id().is_empty() && state.id() != then.id;
        let image_changed = state.spec.image.unwrap_or("") != then.image;
        // Restart count n belongs to the container n+1; the one of the snapshot is not counted, if there was one.
        let rise = state.restarts().saturating_sub(then.restarts);
        Self {
            newest_is_new,
            image_changed,
            waits_since: newest_is_new || image_changed || then.running,
            exits: if then.id.is_empty() { rise + 1 } else { rise.max(1) },
        }
    }
}

/// What is wrong with one container.
fn of_container(state: &ContainerState<'_>, before: Option<&Snapshot>, bare: bool) -> Option<Trouble> {
    let age = Age::of(state, before);
    let make = |family, reason: &str, message: &str, summary: &str, patience| Trouble {
        family,
        reason: reason.to_owned(),
        message: message.to_owned(),
        container: Some(state.spec.name.to_owned()),
        image: state.spec.image.map(str::to_owned),
        summary: summary.to_owned(),
        times: if family == Family::Crash { age.exits } else { 1 },
        patience,
    };
    if let Some(end) = state.terminated() {
        return if age.newest_is_new { of_ended(state, end, bare, make) } else { None };
    }
    let (reason, message) = state.waiting()?;
    if !age.waits_since {
        return None;
    }
    let pulls = PULL.contains(&reason);
    // An image that did not change cannot be pulled again: a Pod of old, and a registry that is down, perhaps. The
    // operation is not to blame, and may be about to replace that Pod.
    if pulls && !age.image_changed {
        return None;
    }
    match reason {
        "InvalidImageName" => Some(make(Family::Pull, reason, message, "the image name is not valid", Patience::Now)),
        "ErrImageNeverPull" => {
            let summary = "the image is not on the node, and the Pod forbids to pull it";
            Some(make(Family::Pull, reason, message, summary, Patience::Now))
        }
        _ if pulls => Some(make(Family::Pull, reason, message, "the image cannot be pulled", Patience::SecondTime)),
        "CreateContainerConfigError" => {
            Some(make(Family::Config, reason, message, config_summary(message), Patience::Confirmed(CONFIG)))
        }
        "CreateContainerError" | "RunContainerError" | "PreCreateHookError" | "PreStartHookError" => {
            Some(make(Family::Start, reason, message, "the container cannot be started", Patience::SecondTime))
        }
        "CrashLoopBackOff" | "PostStartHookError" => match state.last_terminated() {
            _ if !age.newest_is_new && age.image_changed => {
                let summary = "the kubelet holds the new container back";
                Some(make(Family::Held, reason, message, summary, Patience::After(HELD)))
            }
            _ if !age.newest_is_new => None,
            Some(end) if never_started(end) => {
                let message = text(end, "/message").unwrap_or(message);
                Some(make(Family::Start, reason, message, "the container cannot be started", Patience::SecondTime))
            }
            end => Some(make(Family::Crash, reason, message, crash_summary(end), Patience::ThirdExit)),
        },
        // ContainerCreating, PodInitializing, and words to come: the timeout of the operation bounds them.
        _ => None,
    }
}

/// A container that has ended and is not waiting for its restart yet, or will have none.
fn of_ended(
    state: &ContainerState<'_>,
    end: &Value,
    bare: bool,
    make: impl Fn(Family, &str, &str, &str, Patience) -> Trouble,
) -> Option<Trouble> {
    let failed = !state.succeeded();
    let reason = text(end, "/reason").filter(|reason| !reason.is_empty()).unwrap_or("Error");
    let message = text(end, "/message").unwrap_or("");
    let restarted = match state.restart_policy {
        "Never" => false,
        "OnFailure" => failed,
        // An ordinary init container that succeeded is done.
        _ => failed || state.spec.class != ContainerClass::Init,
    };
    if restarted && never_started(end) {
        return Some(make(Family::Start, reason, message, "the container cannot be started", Patience::SecondTime));
    }
    if restarted {
        return Some(make(Family::Crash, reason, message, crash_summary(Some(end)), Patience::ThirdExit));
    }
    // Of a Pod that a controller made (a Job's), the controller makes another one.
    (failed && bare)
        .then(|| make(Family::Ended, reason, message, "the container failed, and nothing restarts it", Patience::Now))
}

/// The runtime made the container but could not start it.
fn never_started(end: &Value) -> bool {
    matches!(text(end, "/reason"), Some("StartError" | "ContainerCannotRun" | "RunContainerError"))
}

/// How a container that keeps ending does so.
fn crash_summary(end: Option<&Value>) -> &'static str {
    let Some(end) = end else { return "the container keeps ending" };
    if text(end, "/reason") == Some("OOMKilled") {
        return "the container runs out of memory";
    }
    let time = |pointer| text(end, pointer).and_then(|time| time.parse::<jiff::Timestamp>().ok());
    match (time("/startedAt"), time("/finishedAt")) {
        (Some(start), Some(finish)) if finish.duration_since(start).as_secs_f64() < AT_ONCE => {
            "the container exits at once"
        }
        _ => "the container keeps ending",
    }
}

/// What the kubelet's message says is wrong (`couldn't find key k in Secret ns/s`, `configmap "c" not found`).
fn config_summary(message: &str) -> &'static str {
    if message.contains("couldn't find key") || message.contains("references non-existent") {
        "a required key is missing"
    } else if message.starts_with("configmap ") && message.ends_with("not found") {
        "a ConfigMap is missing"
    } else if message.starts_with("secret ") && message.ends_with("not found") {
        "a Secret is missing"
    } else {
        "the container's configuration is refused"
    }
}

/// A controller that cannot create Pods (quota, admission). Deployments and ReplicaSets say so in the condition
/// ReplicaFailure; DaemonSets and StatefulSets by events only: of them it is suspected while they own fewer Pods
/// (`have`, terminating ones included) than they want, and [`Family::Create`] is to be checked with
/// [`refused_creation`].
pub fn controller_trouble(object: &Value, have: usize) -> Option<Trouble> {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    if pod::terminating(object) || number("/status/observedGeneration") < number("/metadata/generation") {
        return None;
    }
    let kind = WorkloadKind::of_object(object);
    if let Some(kind) = kind.filter(|kind| matches!(kind, WorkloadKind::StatefulSet | WorkloadKind::DaemonSet)) {
        return ((have as u64) < wanted_pods(object, kind)).then(|| cannot_create("FailedCreate", ""));
    }
    let failure = condition(object, "ReplicaFailure").filter(|one| text(one, "/status") == Some("True"))?;
    let reason = text(failure, "/reason").unwrap_or("ReplicaFailure");
    Some(cannot_create(reason, text(failure, "/message").unwrap_or("")))
}

fn cannot_create(reason: &str, message: &str) -> Trouble {
    let summary = if message.contains("exceeded quota") {
        "the quota is used up, no Pod can be created"
    } else {
        "the controller cannot create Pods"
    };
    Trouble {
        family: Family::Create,
        reason: reason.to_owned(),
        message: message.to_owned(),
        container: None,
        image: None,
        summary: summary.into(),
        times: 1,
        patience: Patience::After(CREATE),
    }
}

/// What a controller's events (oldest first) say of Pods that it could not create since `since`; `None`: nothing,
/// it is only slow.
pub fn refused_creation(events: &[Value], since: Timestamp) -> Option<Trouble> {
    let newest = events.iter().rev().find(|event| text(event, "/reason") == Some("FailedCreate"))?;
    let fresh = last_seen(newest).is_none_or(|at| at >= since);
    fresh.then(|| cannot_create("FailedCreate", text(newest, "/message").unwrap_or("")))
}

/// Whether a Pod's events (oldest first) say that a node is on its way for it: of the last words of the cluster's
/// autoscalers (cluster-autoscaler: TriggeredScaleUp, NotTriggerScaleUp; Karpenter: Nominated) the newest counts.
pub fn scaling_up(events: &[Value]) -> bool {
    let words = events.iter().rev().filter_map(|event| text(event, "/reason"));
    let mut verdicts = words.filter_map(|reason| match reason {
        "TriggeredScaleUp" | "Nominated" => Some(true),
        "NotTriggerScaleUp" => Some(false),
        _ => None,
    });
    verdicts.next() == Some(true)
}

/// When an event was last seen.
fn last_seen(event: &Value) -> Option<Timestamp> {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| text(event, pointer)?.parse().ok())
}

/// A Pod that is not ready for no reason that would end a wait: what is to be told of it when time is up.
pub fn not_ready(pod: &Value) -> Trouble {
    let states = container_states(pod);
    let behind = states.iter().find(|state| match state.spec.class {
        ContainerClass::Init => !state.succeeded(),
        _ => !state.serves(),
    });
    Trouble {
        family: Family::Slow,
        reason: pod::reason(pod),
        message: String::new(),
        container: behind.map(|state| state.spec.name.to_owned()),
        image: behind.and_then(|state| state.spec.image).map(str::to_owned),
        summary: "the Pod is not ready".into(),
        times: 1,
        patience: Patience::ThirdExit,
    }
}

#[cfg(test)]
mod tests;
